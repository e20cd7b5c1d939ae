"""The content types of requests and responses, by the names that scripts use."""

JSON = "application/json"
CSV = "text/csv"
OCTET_STREAM = "application/octet-stream"
ANY = "*/*"
NPY = "application/x-npy"
NPZ = "application/x-npz"
RECORDIO_PROTOBUF = "application/x-recordio-protobuf"
UTF8_TYPES = [JSON, CSV]
