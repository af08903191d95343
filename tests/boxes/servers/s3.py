"""Use S3 as its clients do; run by the interpreter that has boto3.

``s3.py user URL`` makes a user on a fresh moto, and prints the user's key.
``s3.py use URL`` uses a bucket by boto3, and prints a line for each step.
``s3.py sign URL METHOD BODY`` prints the fields of a signed request as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = "photos"
SETTINGS = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})


def client(kind: str, url: str) -> Any:
    """Return a client with the key of the environment."""
    return boto3.client(kind, endpoint_url=url, region_name="us-east-1", config=SETTINGS)


def make_user(url: str) -> None:
    """Make a user who may use S3; moto checks no signature of these three requests."""
    iam = client("iam", url)
    iam.create_user(UserName="app")
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": statement}
    iam.put_user_policy(UserName="app", PolicyName="s3", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="app")["AccessKey"]
    print(key["AccessKeyId"], key["SecretAccessKey"])


def use(url: str) -> None:
    """Write, read, list and remove objects, one of them in parts."""
    s3 = client("s3", url)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="a b/é+.txt", Body=b"x" * 100_000)
    print(len(s3.get_object(Bucket=BUCKET, Key="a b/é+.txt")["Body"].read()))
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="big")["UploadId"]
    parts = []
    for number in (1, 2):
        body = bytes([number]) * 5 * 1024 * 1024
        sent = s3.upload_part(
            Bucket=BUCKET, Key="big", UploadId=upload, PartNumber=number, Body=body
        )
        parts.append({"ETag": sent["ETag"], "PartNumber": number})
    s3.complete_multipart_upload(
        Bucket=BUCKET, Key="big", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    ranged = s3.get_object(Bucket=BUCKET, Key="big", Range="bytes=5242879-5242880")
    print(ranged["Body"].read().hex())
    print(*(found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]), sep=",")
    s3.delete_object(Bucket=BUCKET, Key="big")
    try:
        s3.get_object(Bucket=BUCKET, Key="big")
    except ClientError as error:
        print(error.response["Error"]["Code"])


def sign(url: str, method: str, body: str) -> None:
    """Print what a page has to send."""
    request = AWSRequest(method=method, url=url, data=body.encode())
    credentials = boto3.Session().get_credentials()
    S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)

    print(json.dumps(dict(request.headers)))


COMMANDS: dict[str, Any] = {"user": make_user, "use": use, "sign": sign}
COMMANDS[sys.argv[1]](*sys.argv[2:])
