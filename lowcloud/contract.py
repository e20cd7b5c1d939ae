"""The wall between the cloud and a replica: the folder layout and the environment both sides rely on.

The layout is SageMaker's /opt/ml. A replica finds it at `BASE_DIR_VARIABLE` where the machine cannot mount it at
/opt/ml itself. Paths below are relative to that base.
"""

BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"
DEFAULT_BASE_DIR = "/opt/ml"

HYPERPARAMETERS = "input/config/hyperparameters.json"  # {name: text}
INPUT_DATA_CONFIG = "input/config/inputdataconfig.json"  # {channel: {ContentType, TrainingInputMode, ...}}
RESOURCE_CONFIG = "input/config/resourceconfig.json"  # {current_host, hosts, network_interface_name, ...}
DATA = "input/data"  # one folder a channel
MODEL = "model"
CODE = "code"  # the unpacked source archive of a script
REQUIREMENTS = "input/environment/requirements.txt"  # what the builder of a Python environment installs
CONSTRAINTS = "input/environment/constraints.txt"  # and what it must not contradict
PROCESSING = "processing"  # inputs and outputs of processing programs
PROCESSING_CONFIG = "config/processingjobconfig.json"  # the request
PROCESSING_RESOURCE_CONFIG = "config/resourceconfig.json"
PIP_CONFIGURATION = "input/environment/pip.conf"  # where packages come from, for programs that install some themselves
OUTPUT_DATA = "output/data"
OUTPUT_INTERMEDIATE = "output/intermediate"  # what a program writes here could be stored while it runs
CHECKPOINTS = "checkpoints"
MESSAGE = "output/message"  # what a processing program has to say at its end, however it went
FAILURE = "output/failure"  # a program that fails writes here the sentence its user should read

# A serving replica listens on this unix socket: GET /ping, POST /invocations.
SOCKET_VARIABLE = "LOWCLOUD_SOCKET"

# A folder that all replicas of one work share, where rank 0 puts its unix socket
# (runtime/training/collectives.py).
RENDEZVOUS_VARIABLE = "LOWCLOUD_RENDEZVOUS"

# {name: address} of the replicas of the work, in JSON: the loopback address that each may listen at under its name
# (algo-1 ...). Where replicas have mounts of their own, /etc/hosts knows the names too.
HOSTS_VARIABLE = "LOWCLOUD_HOSTS"

# The Python environment of the replica: `python` and PATH mean it. A work that builds one fills this folder, which lies
# at the same path wherever the environment is used.
ENVIRONMENT_VARIABLE = "LOWCLOUD_ENVIRONMENT"

# How many processors the replica has for itself, one at least, whatever else the machine has.
CPUS_VARIABLE = "LOWCLOUD_CPUS"

# Exit codes of built-in programs: the user's input is at fault, or the program is.
EXIT_CLIENT_ERROR = 2
EXIT_ALGORITHM_ERROR = 1

# Why a program was ended that went over a limit.
OUT_OF_MEMORY = "out of memory"
DISK_FULL = "disk full"
INPUT_LOST = "input lost"  # then ": " and why

# The name of the replica, by which an engine recognises processes that it must end.
REPLICA_VARIABLE = "LOWCLOUD_REPLICA"

# Between an engine and the supervisor of one replica (runtime/supervisor/supervise.py): files in the replica's own
# folder, which its program does not see. All are written whole, or locked, so that either side may die at any moment.
# The plan, by the engine: {name, command, interpreter, environment, directory, disk_bytes, log_bytes, container,
# sandbox}.
PLAN_FILE = "plan.json"
LOCK_FILE = "lock"  # flock held by the supervisor for as long as it lives
LOG_FILE = "log"  # lines "<milliseconds since the epoch> <text>"
STARTED_FILE = "started"  # {started_at}; there before the program is, so that no program is ever started twice
EXIT_FILE = "exit"  # {exit_code, ended_at, reason}; there when the log is complete and all processes have ended
STOP_FILE = "stop"  # {grace_seconds}; a wish of the engine
SUPERVISOR_LOG_FILE = "supervisor.log"  # what a supervisor that fails has to say
CONTROL_FIFO = "control"  # any byte makes the supervisor look for the stop file

# Between an engine and the feeders of its replicas (runtime/inputs/feeder.py), which pass inputs on to a program. What
# is to be fed stands in lists in the replica's folder, one JSON line each: [path, piece, ...], where a piece is a text
# or [source, bytes]. A feeder asks at the engine's socket for a line of JSON, [list, offset of the line, index of the
# piece, first byte, end], and gets chunks, each behind its length in four bytes (little endian), then a length of 0. A
# chunk behind FEED_FAILED says why the bytes will never be had. A connection that breaks says nothing: ask again.
FEEDS_FOLDER = "feeds"
FEED_SOCKET = "feed"
FEED_FAILED = 0xFFFFFFFF
FEED_FAULT_FILE = "fault"  # in that folder: why the feeder had the program ended
