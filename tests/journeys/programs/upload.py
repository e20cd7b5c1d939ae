"""Put scikit-learn's breast-cancer set, label first, into the default bucket."""

import boto3
import sagemaker

bucket = sagemaker.Session().default_bucket()
boto3.client("s3").upload_file("train.csv", bucket, "my-data/train.csv")
