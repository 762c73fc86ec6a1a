#!/usr/bin/env python3
"""Calls one method of the Container Runtime Interface: the request is JSON on standard input, the answer on standard output.

With TEXT the call is made again until the answer has it: the interface has no way to wait for a container.

usage: client.py METHOD [TEXT]          (CRI_SOCKET: the runtime's socket)
"""

import json
import os
import sys
import time

import grpc
from google.protobuf import json_format

# Made by protoc from cri.proto.
sys.path.insert(0, "/tmp")
import cri_pb2

method = sys.argv[1]
request = json_format.ParseDict(json.load(sys.stdin), getattr(cri_pb2, method + "Request")())
answer = getattr(cri_pb2, method + "Response")
socket = os.environ.get("CRI_SOCKET", "/run/containerd/containerd.sock")
with grpc.insecure_channel("unix://" + socket) as channel:
    call = channel.unary_unary(
        "/runtime.v1.RuntimeService/" + method,
        request_serializer=type(request).SerializeToString,
        response_deserializer=answer.FromString,
    )
    while True:
        try:
            response = call(request, timeout=80)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")
        text = json.dumps(json_format.MessageToDict(response, preserving_proto_field_name=True))
        if len(sys.argv) < 3 or sys.argv[2] in text:
            break
        time.sleep(0.1)
print(text)
