"""The interface between the server and a replica: the folder layout and the environment variables both sides rely on.

The layout is SageMaker's /opt/ml. Where the machine cannot mount the folder at /opt/ml, `BASE_DIR_VARIABLE` gives the
replica where it is. The paths below are relative to that base folder.
"""

BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"
DEFAULT_BASE_DIR = "/opt/ml"

HYPERPARAMETERS = "input/config/hyperparameters.json"  # {name: text}
INPUT_DATA_CONFIG = "input/config/inputdataconfig.json"  # {channel: {ContentType, TrainingInputMode, ...}}
RESOURCE_CONFIG = "input/config/resourceconfig.json"  # {current_host, hosts, network_interface_name, ...}
DATA = "input/data"  # one folder per channel
MODEL = "model"
CODE = "code"  # the unpacked source archive of a script
REQUIREMENTS = "input/environment/requirements.txt"  # the packages of a Python environment to build
OPTIONAL = "  # optional"  # ends a requirement that is left out if it does not fit the others
CONSTRAINTS = "input/environment/constraints.txt"  # pip constraints that apply to them
PROCESSING = "processing"  # inputs and outputs of processing programs
PROCESSING_CONFIG = "config/processingjobconfig.json"  # the request
PROCESSING_RESOURCE_CONFIG = "config/resourceconfig.json"
PIP_CONFIGURATION = "input/environment/pip.conf"  # package index settings, for programs that install packages
OUTPUT_DATA = "output/data"
OUTPUT_INTERMEDIATE = "output/intermediate"  # output that can be stored while the program runs
CHECKPOINTS = "checkpoints"
MESSAGE = "output/message"  # the exit message of a processing program, whether it succeeded or failed
FAILURE = "output/failure"  # the failure reason to show to the user, written by the program

# A serving replica listens on this unix socket: GET /ping, POST /invocations.
SOCKET_VARIABLE = "LOWCLOUD_SOCKET"

# A folder that all replicas of one work share, where rank 0 creates its unix socket (runtime/collectives.py).
RENDEZVOUS_VARIABLE = "LOWCLOUD_RENDEZVOUS"

# JSON {name: address} of the replicas of the work: the loopback address that each may listen on under its name
# (algo-1 ...). Where replicas have mount namespaces, /etc/hosts has the names too.
HOSTS_VARIABLE = "LOWCLOUD_HOSTS"

# The Python environment of the replica: `python` and PATH refer to it. A work that builds an environment fills this
# folder, whose path stays the same wherever the environment is used.
ENVIRONMENT_VARIABLE = "LOWCLOUD_ENVIRONMENT"

# How many processors are allocated to the replica, at least one.
CPUS_VARIABLE = "LOWCLOUD_CPUS"

# Exit codes of built-in programs: invalid user input, or an error in the program.
EXIT_CLIENT_ERROR = 2
EXIT_ALGORITHM_ERROR = 1

# Why the supervisor ended a program.
OUT_OF_MEMORY = "out of memory"
DISK_FULL = "disk full"
INPUT_LOST = "input lost"  # followed by ": " and the reason

# The name of the replica, by which an engine recognises processes that it must end.
REPLICA_VARIABLE = "LOWCLOUD_REPLICA"

# Files between an engine and the supervisor of one replica (runtime/supervisor/supervise.py), in the replica's own
# folder, which its program does not see. Each is written atomically or locked, so either side may be killed at any
# moment. Their names and formats stay the same between versions, because supervisors outlive the server.
# The launch spec, written by the engine: {name, command, interpreter, environment, directory, disk_bytes, log_bytes,
# container, sandbox}.
LAUNCH_SPEC_FILE = "plan.json"  # as version 0.1.0 named it
LOCK_FILE = "lock"  # flock held by the supervisor while it lives
LOG_FILE = "log"  # lines "<milliseconds since the epoch> <text>"
STARTED_FILE = "started"  # {started_at}; written before the program starts, so that no program ever starts twice
EXIT_FILE = "exit"  # {exit_code, ended_at, reason}; written when the log is complete and all processes have ended
STOP_FILE = "stop"  # {grace_seconds}; the engine's stop request
SUPERVISOR_LOG_FILE = "supervisor.log"  # errors of the supervisor itself
# In the last line of a log: the machine does not offer an isolation mechanism (runtime/syscalls.py).
UNSUPPORTED = "UnsupportedError: "
CONTROL_FIFO = "control"  # any byte makes the supervisor read the stop file

# Between an engine and the feeder processes of its replicas (runtime/inputs/feeder.py), which stream inputs to a
# program. The inputs are listed in files in the replica's folder, one JSON line each: [path, piece, ...], where a piece
# is a text or [source, bytes]. A feeder sends the engine's socket one line of JSON, [list, offset of the line, index of
# the piece, first byte, end], and receives chunks, each preceded by its length in four bytes (little endian), then a
# length of 0. A chunk preceded by FEED_FAILED holds the reason why the bytes can never be read. After a broken
# connection the feeder sends the request again.
FEEDS_FOLDER = "feeds"
FEED_SOCKET = "feed"
FEED_FAILED = 0xFFFFFFFF
FEED_ERROR_FILE = "fault"  # in FEEDS_FOLDER: why the feeder requested the end of the program
