"""Instance types: the resources of every ml.* type of SageMaker, and its price per hour in us-east-1.

Sizes follow AWS's published instance tables. The price of an ml.* type is that of the corresponding EC2 type plus a
surcharge, which is 20 % for types without accelerators: this gives the published prices of the most used families, and
estimates of the others (`price_is_estimate`). Prices of types with accelerators are listed individually.
docs/instances.md is generated from this table, and names the sources.
"""

from collections.abc import Iterator
from dataclasses import dataclass

SURCHARGE = 1.2  # on the price of EC2, for types without accelerators


@dataclass(frozen=True)
class Instance:
    """An instance type. Prices are US dollars per hour on demand."""

    name: str
    vcpus: int
    memory_gib: float
    price_per_hour: float
    price_is_estimate: bool
    nvme_gb: int = 0
    accelerator: str = ""  # "gpu", "inferentia", "trainium", "gaudi", "elastic inference"; "": none
    accelerators: int = 0
    accelerator_name: str = ""
    accelerator_memory_gib: float = 0.0  # of each
    size_is_estimate: bool = False  # AWS publishes only the name

    @property
    def gpus(self) -> int:
        """The number of GPUs; other accelerators do not count."""
        return self.accelerators if self.accelerator == "gpu" else 0


class UnknownInstanceTypeError(ValueError):
    """There is no such instance type."""


def find(name: str) -> Instance:
    """Return the instance type with this name. Raises UnknownInstanceTypeError."""
    try:
        return INSTANCES[name]
    except KeyError:
        raise UnknownInstanceTypeError(
            f"There is no instance type {name!r}. An example of a type is ml.m5.large."
        ) from None


@dataclass(frozen=True)
class _Family:
    """Types with regular sizes: "large xlarge 4" are large (2 vCPU), xlarge (4) and 4xlarge (16)."""

    gib_per_vcpu: float
    dollars_per_large: float  # on EC2
    sizes: str
    nvme_gb_per_vcpu: float = 0.0
    price_is_estimate: bool = True


_TO_24 = "large xlarge 2 4 8 12 16 24"
_TO_32 = "large xlarge 2 4 8 12 16 24 32"
_TO_48 = "large xlarge 2 4 8 12 16 24 48"
_AMD = "large xlarge 2 4 8 12 16 24 32 48"
_ARM = "medium large xlarge 2 4 8 12 16"
_ARM_D = "large xlarge 2 4 8 12 16"
_ARM_8 = "medium large xlarge 2 4 8 12 16 24 48"
_INTEL_8 = "large xlarge 2 4 8 12 16 24 32 48 96"
_FLEX = "large xlarge 2 4 8 12 16"

_FAMILIES = {
    "c5": _Family(2, 0.085, "large xlarge 2 4 9 12 18 24", price_is_estimate=False),
    "c5d": _Family(2, 0.096, "large xlarge 2 4 9 18", 25.0),
    "c6a": _Family(2, 0.0765, _AMD),
    "c6g": _Family(2, 0.068, _ARM),
    "c6gd": _Family(2, 0.0768, _ARM_D, 59.375),
    "c6gn": _Family(2, 0.0864, _ARM_D),
    "c6i": _Family(2, 0.085, _TO_32),
    "c6id": _Family(2, 0.1008, _TO_32, 59.375),
    "c6in": _Family(2, 0.1134, _TO_32),
    "c7g": _Family(2, 0.0725, _ARM),
    "c7i": _Family(2, 0.08925, _TO_48),
    "c7i-flex": _Family(2, 0.08479, "xlarge 2 4 8 12 16"),
    "c8a": _Family(2, 0.10779, "16"),
    "c8g": _Family(2, 0.07976, _ARM_8),
    "c8i": _Family(2, 0.09371, "xlarge 2 4 8 12 16 24 32 48 96"),
    "c8i-flex": _Family(2, 0.08903, "xlarge 2 4 8 12 16"),
    "i3en": _Family(8, 0.226, "large xlarge 2 3 6 12 24", 625.0),
    "m4": _Family(4, 0.1, "xlarge 2 4 10 16"),
    "m5": _Family(4, 0.096, _TO_24, price_is_estimate=False),
    "m5d": _Family(4, 0.113, _TO_24, 37.5),
    "m6a": _Family(4, 0.0864, _AMD),
    "m6g": _Family(4, 0.077, _ARM),
    "m6gd": _Family(4, 0.0904, _ARM_D, 59.375),
    "m6i": _Family(4, 0.096, _TO_32),
    "m6id": _Family(4, 0.11865, _TO_32, 59.375),
    "m7g": _Family(4, 0.0816, _ARM),
    "m7i": _Family(4, 0.1008, _TO_48),
    "m7i-flex": _Family(4, 0.09576, _FLEX),
    "m8a": _Family(4, 0.12172, "16"),
    "m8g": _Family(4, 0.08976, _ARM_8),
    "m8i": _Family(4, 0.10584, _INTEL_8),
    "m8i-flex": _Family(4, 0.10055, _FLEX),
    "r5": _Family(8, 0.126, _TO_24, price_is_estimate=False),
    "r5d": _Family(8, 0.144, _TO_24, 37.5),
    "r6g": _Family(8, 0.1008, _ARM_D),
    "r6gd": _Family(8, 0.1152, _ARM_D, 59.375),
    "r6i": _Family(8, 0.126, _TO_32),
    "r6id": _Family(8, 0.1512, _TO_32, 59.375),
    "r7gd": _Family(8, 0.1361, _ARM, 59.375),
    "r7i": _Family(8, 0.1323, _TO_48),
    "r8g": _Family(8, 0.11782, _ARM_8),
    "r8i": _Family(8, 0.13892, _INTEL_8),
    "r8i-flex": _Family(8, 0.13197, _FLEX),
}

# Types without accelerators and with irregular sizes: vCPU, GiB, dollars. A "~" marks an estimated price.
_IRREGULAR = """
t2.medium      2   4      ~0.0557
t2.large       2   8      ~0.1114
t2.xlarge      4   16     ~0.2227
t2.2xlarge     8   32     ~0.4454
t3.micro       2   1      ~0.0125
t3.small       2   2      ~0.025
t3.medium      2   4      0.05
t3.large       2   8      0.1
t3.xlarge      4   16     0.2
t3.2xlarge     8   32     0.399
c4.large       2   3.75   ~0.119
c4.xlarge      4   7.5    ~0.239
c4.2xlarge     8   15     ~0.477
c4.4xlarge     16  30     ~0.955
c4.8xlarge     36  60     ~1.909
c5n.large      2   5.25   ~0.13
c5n.xlarge     4   10.5   ~0.259
c5n.2xlarge    8   21     ~0.518
c5n.4xlarge    16  42     ~1.037
c5n.9xlarge    36  96     ~2.333
c5n.18xlarge   72  192    ~4.666
"""

_ACCELERATOR_KINDS = {
    "Inferentia": "inferentia",
    "Inferentia2": "inferentia",
    "Trainium": "trainium",
    "Trainium2": "trainium",
    "Gaudi HL-205": "gaudi",
}

# With accelerators: vCPU, GiB, accelerators, GiB of each, NVMe GB, dollars, the accelerator's name.
_ACCELERATED = """
p2.xlarge          4   61    1  12     0      1.125     K80
p2.8xlarge         32  488   8  12     0      ~9        K80
p2.16xlarge        64  732   16 12     0      ~18       K80
p3.2xlarge         8   61    1  16     0      3.825     V100
p3.8xlarge         32  244   4  16     0      14.688    V100
p3.16xlarge        64  488   8  16     0      28.152    V100
p3dn.24xlarge      96  768   8  32     1800   ~35.894   V100
p4d.24xlarge       96  1152  8  40     8000   25.251    A100
p4de.24xlarge      96  1152  8  80     8000   ~31.564   A100
p5.4xlarge         16  256   1  80     3840   ~7.912    H100
p5.48xlarge        192 2048  8  80     30720  63.296    H100
p5e.48xlarge       192 2048  8  141    30720  ~68.1     H200
p5en.48xlarge      192 2048  8  141    30720  ~72.795   H200
p6-b200.48xlarge   192 2048  8  179    30720  ~131.023  B200
p6-b300.48xlarge   192 4096  8  268    30720  ~163.8    B300
p6e-gb200.36xlarge 144 960   4  185    22500  ~87.6     GB200
g4dn.xlarge        4   16    1  16     125    0.7364    T4
g4dn.2xlarge       8   32    1  16     225    0.94      T4
g4dn.4xlarge       16  64    1  16     225    1.505     T4
g4dn.8xlarge       32  128   1  16     900    2.72      T4
g4dn.12xlarge      48  192   4  16     900    4.89      T4
g4dn.16xlarge      64  256   1  16     900    5.44      T4
g5.xlarge          4   16    1  24     250    1.408     A10G
g5.2xlarge         8   32    1  24     450    1.515     A10G
g5.4xlarge         16  64    1  24     600    2.03      A10G
g5.8xlarge         32  128   1  24     900    3.06      A10G
g5.12xlarge        48  192   4  24     3800   7.09      A10G
g5.16xlarge        64  256   1  24     1900   5.12      A10G
g5.24xlarge        96  384   4  24     3800   10.18     A10G
g5.48xlarge        192 768   8  24     7600   20.36     A10G
g6.xlarge          4   16    1  24     250    1.127     L4
g6.2xlarge         8   32    1  24     450    1.222     L4
g6.4xlarge         16  64    1  24     600    1.654     L4
g6.8xlarge         32  128   1  24     900    ~2.518    L4
g6.12xlarge        48  192   4  24     3760   5.752     L4
g6.16xlarge        64  256   1  24     1880   ~4.246    L4
g6.24xlarge        96  384   4  24     3760   8.344     L4
g6.48xlarge        192 768   8  24     7520   16.688    L4
gr6.4xlarge        16  128   1  24     600    ~1.924    L4
gr6.8xlarge        32  256   1  24     900    ~3.058    L4
g6e.xlarge         4   32    1  48     250    ~2.605    L40S
g6e.2xlarge        8   64    1  48     450    ~2.803    L40S
g6e.4xlarge        16  128   1  48     600    ~3.755    L40S
g6e.8xlarge        32  256   1  48     900    ~5.661    L40S
g6e.12xlarge       48  384   4  48     3800   ~13.116   L40S
g6e.16xlarge       64  512   1  48     1900   ~9.471    L40S
g6e.24xlarge       96  768   4  48     3800   ~18.832   L40S
g6e.48xlarge       192 1536  8  48     7600   ~37.664   L40S
g7.2xlarge         8   32?   1  32     0      ~1.9      RTX PRO 4500
g7.4xlarge         16  64?   1  32     0      ~2.4      RTX PRO 4500
g7.8xlarge         32  128?  1  32     0      ~3.4      RTX PRO 4500
g7.12xlarge        48  192?  2  32     0      ~5.8      RTX PRO 4500
g7.24xlarge        96  384?  4  32     0      ~11.6     RTX PRO 4500
g7.48xlarge        192 768?  8  32     0      ~23.2     RTX PRO 4500
g7e.2xlarge        8   64    1  96     1900   4.204     RTX PRO 6000
g7e.4xlarge        16  128   1  96     1900   4.998     RTX PRO 6000
g7e.8xlarge        32  256   1  96     1900   6.585     RTX PRO 6000
g7e.12xlarge       48  512   2  96     3800   10.358    RTX PRO 6000
g7e.24xlarge       96  1024  4  96     7600   20.715    RTX PRO 6000
g7e.48xlarge       192 2048  8  96     15200  41.43     RTX PRO 6000
inf1.xlarge        4   8     1  8      0      0.297     Inferentia
inf1.2xlarge       8   16    1  8      0      0.471     Inferentia
inf1.6xlarge       24  48    4  8      0      ~1.534    Inferentia
inf1.24xlarge      96  192   16 8      0      ~6.137    Inferentia
inf2.xlarge        4   16    1  32     0      ~0.99     Inferentia2
inf2.8xlarge       32  128   1  32     0      ~2.36     Inferentia2
inf2.24xlarge      96  384   6  32     0      ~7.79     Inferentia2
inf2.48xlarge      192 768   12 32     0      ~15.58    Inferentia2
trn1.2xlarge       8   32    1  32     475    ~1.545    Trainium
trn1.32xlarge      128 512   16 32     7600   ~24.78    Trainium
trn1n.32xlarge     128 512   16 32     7600   ~28.497   Trainium
trn2.3xlarge       12  128   1  96     470    ~2.57     Trainium2
trn2.48xlarge      192 2048  16 96     7680   ~41.1     Trainium2
dl1.24xlarge       96  768   8  32     4000   ~15.731   Gaudi HL-205
geospatial.interactive 16 64? 1 16     0      ~1.5      T4
"""

# Elastic inference, which could be attached to instances: only memory and price.
_ATTACHED = """
eia1.medium 1 ~0.182
eia1.large  2 ~0.364
eia1.xlarge 4 ~0.728
eia2.medium 2 ~0.168
eia2.large  4 ~0.336
eia2.xlarge 8 ~0.476
"""


def _vcpus(size: str) -> int:
    return {"medium": 1, "large": 2, "xlarge": 4}.get(size) or 4 * int(size)


def _of_families() -> Iterator[Instance]:
    for family, definition in _FAMILIES.items():
        for size in definition.sizes.split():
            vcpus = _vcpus(size)
            yield Instance(
                name=f"ml.{family}.{size}{'xlarge' if size.isdigit() else ''}",
                vcpus=vcpus,
                memory_gib=vcpus * definition.gib_per_vcpu,
                price_per_hour=round(definition.dollars_per_large / 2 * vcpus * SURCHARGE, 4),
                price_is_estimate=definition.price_is_estimate,
                nvme_gb=int(vcpus * definition.nvme_gb_per_vcpu),
            )


def _irregular() -> Iterator[Instance]:
    for line in _IRREGULAR.strip().splitlines():
        name, vcpus, gib, price = line.split()
        yield Instance(f"ml.{name}", int(vcpus), float(gib), *_price(price))


def _accelerated() -> Iterator[Instance]:
    for line in _ACCELERATED.strip().splitlines():
        name, vcpus, gib, count, each, nvme, price, accelerator = line.split(maxsplit=7)
        yield Instance(
            f"ml.{name}",
            int(vcpus),
            float(gib.rstrip("?")),
            *_price(price),
            nvme_gb=int(nvme),
            accelerator=_ACCELERATOR_KINDS.get(accelerator, "gpu"),
            accelerators=int(count),
            accelerator_name=accelerator,
            accelerator_memory_gib=float(each),
            size_is_estimate=gib.endswith("?"),
        )


def _attached() -> Iterator[Instance]:
    for line in _ATTACHED.strip().splitlines():
        name, gib, price = line.split()
        kind = "elastic inference"
        yield Instance(
            f"ml.{name}",
            0,
            0.0,
            *_price(price),
            accelerator=kind,
            accelerators=1,
            accelerator_name=name.partition(".")[0],
            accelerator_memory_gib=float(gib),
        )


def _price(text: str) -> tuple[float, bool]:
    return float(text.lstrip("~")), text.startswith("~")


INSTANCES = {
    instance.name: instance for source in (_of_families, _irregular, _accelerated, _attached) for instance in source()
}
