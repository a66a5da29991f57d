"""The protocol of one client, without a port and without waiting."""

from __future__ import annotations

import json

import jwt
import pytest

from instant.devserver import errors, wire_json
from instant.devserver.streams import Publication
from tests.devserver.servers import SECRET


class Talk:
    """Talk to a session in its own time."""

    def __init__(self, world, user="42", **claims):
        self.world, self.session = world, world.session()
        self.client = self.session.client
        if user is not None:
            self.say(id=1, connect={"token": self.token(user, **claims)})
            self.greeting = self.heard()[0]["connect"]

    def token(self, user="42", **claims):
        claims = {"sub": user, "exp": int(self.world.now) + 600, **claims}
        return jwt.encode(claims, SECRET, "HS256")

    def say(self, **command):
        self.session.receive(json.dumps(command))

    def heard(self):
        return [json.loads(frame.text) for frame in self.client.take(1000)]

    def ask(self, name, **body):
        self.say(id=7, **{name: body})
        return self.heard()[0].get(name)

    def wait(self, seconds):
        """Let time pass, and tick at each deadline on the way."""
        end = self.world.now + seconds
        while (deadline := self.session.deadline()) is not None and deadline <= end:
            self.world.now = max(self.world.now, deadline)
            self.session.tick()
        self.world.now = end

    @property
    def closed(self):
        return self.client.closing and self.client.closing.code


@pytest.fixture
def talk(world):
    return lambda *args, client=None, **claims: Talk(world(client=client or {}), *args, **claims)


def test_stale_until_connected(talk):
    silent = talk(None, client={"stale_close_delay": "10s"})
    silent.wait(9)
    assert silent.closed is None
    silent.wait(1)
    assert silent.closed == 3502
    connected = talk(client={"stale_close_delay": "10s", "ping_interval": "0s"})
    connected.wait(60)
    assert connected.closed is None


def test_ping_comes_after_half_an_interval_then_every_interval(talk):
    peer = talk(client={"ping_interval": "20s", "pong_timeout": "5s"})
    peer.wait(9.9)
    assert peer.heard() == []
    peer.wait(0.2)
    assert peer.heard() == [{}]
    peer.session.receive("{}")
    peer.wait(19.8)
    assert (peer.heard(), peer.closed) == ([], None)
    peer.wait(0.2)
    assert peer.heard() == [{}]


def test_no_pong(talk):
    peer = talk(client={"ping_interval": "20s", "pong_timeout": "5s"})
    peer.wait(14.9)
    assert peer.closed is None
    peer.wait(0.2)
    assert peer.closed == 3012


def test_a_second_pong_is_one_too_many(talk):
    peer = talk()
    peer.wait(13)
    peer.session.receive("{}")
    assert peer.closed is None
    peer.session.receive("{}")
    assert peer.closed == 3501


def test_without_pong_timeout_nobody_waits_for_a_pong(talk):
    peer = talk(client={"ping_interval": "20s", "pong_timeout": "0s"})
    assert peer.greeting.get("pong") is None
    peer.wait(500)
    assert peer.closed is None


def test_connection_expires_after_its_grace(talk):
    peer = talk(client={"expired_close_delay": "25s", "ping_interval": "0s"}, exp=1_800_000_060)
    assert peer.greeting["ttl"] == 60
    peer.wait(84)
    assert peer.closed is None
    peer.wait(2)
    assert peer.closed == 3005


def test_refresh_in_time(talk):
    client = {"expired_close_delay": "25s", "ping_interval": "0s"}
    peer = talk(client=client, exp=1_800_000_060)
    peer.wait(70)
    assert peer.ask("refresh", token=peer.token()) == {"expires": True, "ttl": 600}
    peer.wait(500)
    assert peer.closed is None


def test_subscription_expiry_is_looked_at_now_and_then(talk):
    client = {"expired_sub_close_delay": "25s", "presence_update_interval": "27s", "ping_interval": "0s"}
    peer = talk(client=client)
    token = peer.token(channel="signed:1", exp=int(peer.world.now) + 4)
    assert peer.ask("subscribe", channel="signed:1", token=token) == {"expires": True, "ttl": 4}
    peer.wait(13.5 + 26)
    assert peer.heard() == []
    peer.wait(2)
    assert peer.heard()[0]["push"]["unsubscribe"]["code"] == 2501
    assert peer.client.subscriptions == {}


def test_an_expired_token_in_sub_refresh_ends_expiry(talk):
    """The hole of v6.9.1: a site must revoke with the API."""
    peer = talk(client={"ping_interval": "0s"})
    peer.ask("subscribe", channel="signed:1", token=peer.token(channel="signed:1", exp=1_800_000_004))
    assert peer.ask("sub_refresh", channel="signed:1", token=peer.token(channel="signed:1", exp=5)) == {}
    peer.wait(300)
    assert "signed:1" in peer.client.subscriptions


def test_after_an_error_to_connect_the_socket_is_dropped(talk):
    peer = talk(None)
    peer.say(id=1, connect={"token": peer.token(exp=5)})
    peer.say(id=2, rpc={})
    assert [line["error"]["code"] for line in peer.heard()] == [109]
    peer.wait(5)
    assert peer.client.closing == errors.DROPPED


def test_commands_after_a_close_are_not_run(talk):
    peer = talk()
    peer.session.receive('{"id":2,"foo":{}}\n{"id":3,"subscribe":{"channel":"open:1"}}')
    assert (peer.closed, peer.heard(), peer.client.subscriptions) == (3501, [], {})


def test_closing_leaves_everything(talk):
    peer = talk()
    peer.ask("subscribe", channel="room:1")
    assert peer.world.hub.numbers()["num_subs"] == 1
    peer.session.lost()
    numbers = peer.world.hub.numbers()
    assert (set(numbers.values()), peer.world.hub.presence("room:1")) == ({0}, {})
    assert peer.session.deadline() is None


def test_what_waits_goes_out_before_the_close_except_for_the_slow(talk):
    peer = talk()
    peer.say(id=2, rpc={})
    peer.client.close(errors.FORCED)
    assert len(peer.heard()) == 1
    slow = talk(client={"queue_max_size": 300})
    slow.client.send(wire_json.frame("x" * 300))
    assert (slow.closed, slow.heard()) == (3008, [])


def test_size_is_counted_in_bytes_and_given_back(talk):
    peer = talk(client={"queue_max_size": 300})
    for _ in range(5):
        peer.client.send(wire_json.frame("é" * 145))
        assert len(peer.heard()) == 1
    assert peer.closed is None
    peer.client.send(wire_json.frame("é" * 150))
    assert peer.closed == 3008


def test_rpc_is_a_seam(world):
    asked = []
    place = world()
    session = place.session(rpc=lambda *call: asked.append(call))
    token = jwt.encode({"sub": "42"}, SECRET, "HS256")
    session.receive(json.dumps({"id": 1, "connect": {"token": token}}))
    session.receive('{"id":2,"rpc":{"method":"chat.say","data":{"a":1}}}\n{"id":3,"rpc":{"method":"x"}}')
    assert [call[1:] for call in asked] == [(2, "chat.say", {"a": 1}), (3, "x", wire_json.MISSING)]
    client = asked[0][0]
    client.fail(3, errors.NOT_AVAILABLE)
    client.reply(2, "rpc", {"data": 5})
    lines = [json.loads(frame.text) for frame in client.take(9)][1:]
    assert lines == [{"id": 3, "error": {"code": 108, "message": "not available"}}, {"id": 2, "rpc": {"data": 5}}]


def test_a_gap_makes_a_positioned_subscriber_subscribe_anew(talk):
    peer = talk()
    peer.ask("subscribe", channel="hist:1")
    subscription = peer.client.subscriptions["hist:1"]
    subscription.position = subscription.position._replace(epoch="another")
    peer.world.hub.publish("hist:1", Publication(1), subscription.grant.options)
    assert peer.heard()[0]["push"]["unsubscribe"]["code"] == 2500


def test_a_gap_closes_a_server_side_subscriber(talk):
    peer = talk(channels=["hist:1"])
    subscription = peer.client.subscriptions["hist:1"]
    subscription.position = subscription.position._replace(offset=9, epoch="another")
    peer.world.hub.publish("hist:1", Publication(1), subscription.grant.options)
    assert peer.closed == 3010


def test_meta_stays_on_the_server(talk):
    peer = talk(meta={"sid": 1})
    assert (peer.client.meta, "meta" in json.dumps(peer.greeting)) == ({"sid": 1}, False)
    peer.ask("refresh", token=peer.token(meta={"sid": 2}))
    assert peer.client.meta == {"sid": 2}


def test_one_connection_a_user(world):
    personal = {"enabled": True, "single_connection": True, "personal_channel_namespace": "room"}
    place = world(client={"subscribe_to_user_personal_channel": personal})
    first, second = Talk(place), Talk(place)
    assert (first.closed, second.closed) == (3504, None)
    assert list(second.greeting["subs"]) == ["room:#42"]


def test_insecure_opens_everything(talk):
    peer = talk(None, client={"insecure": True})
    peer.say(id=1, connect={})
    assert "connect" in peer.heard()[0]
    assert peer.ask("subscribe", channel="signed:1") == {}
    assert peer.ask("publish", channel="signed:1", data=1) is None
    assert peer.ask("subscribe", channel="$x") is None


def test_server_time_in_the_greeting(talk):
    assert talk(client={"connect_include_server_time": True}).greeting["time"] == 1_800_000_000_000


@pytest.mark.parametrize(
    "option", ["subscribe_proxy_enabled", "subscribe_stream_proxy_enabled", "publish_proxy_enabled"]
)
def test_proxies_are_not_available(world, option):
    place = world(channel={"namespaces": [{"name": "asked", option: True, "allow_subscribe_for_client": True}]})
    peer = Talk(place)
    command = "publish" if option == "publish_proxy_enabled" else "subscribe"
    peer.say(id=2, **{command: {"channel": "asked:1", "data": 1}})
    assert peer.heard() == [{"id": 2, "error": {"code": 108, "message": "not available"}}]


def test_refusals_are_logged_and_tokens_are_not(talk, caplog):
    caplog.set_level("INFO", "instant.devserver")
    peer = talk()
    token = peer.token(channel="signed:1") + "x"
    peer.ask("subscribe", channel="signed:1", token=token)
    peer.ask("subscribe", channel="signed:2")
    assert "invalid subscription token" in caplog.text
    assert "attempt to subscribe without sufficient permission" in caplog.text
    assert token[:30] not in caplog.text
