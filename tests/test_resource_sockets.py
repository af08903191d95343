"""`corsgate.cors_resource` on real sockets: files, HTTP/2, WebSockets, a tree in another process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.spread.pb import PBServerFactory
from twisted.trial.unittest import TestCase
from twisted.web.distrib import ResourcePublisher, ResourceSubscription
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from twisted.web.static import Data, File
from twisted.web.websocket import WebSocketResource, WebSocketServerFactory
from websockets.asyncio.client import connect

from corsgate import cors_resource
from tests.certificates import Authority
from tests.peers import Client, Message, reactor, request
from tests.programs import output, require
from tests.support import GateTestCase
