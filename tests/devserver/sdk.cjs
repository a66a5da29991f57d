// Drives npm's centrifuge against a server and prints what it saw, as JSON. Argument: the setup, as JSON.
const setup = JSON.parse(process.argv[2]);
const { Centrifuge } = require(`${setup.modules}/centrifuge`);
const WebSocket = require(`${setup.modules}/ws`);

const seen = { tokens: 0 };
const once = (source, name) => new Promise((resolve) => source.once(name, resolve));
const api = async (method, body) => {
  const response = await fetch(`http://127.0.0.1:${setup.port}/api/${method}`, {
    method: "POST",
    headers: { "X-API-Key": setup.key },
    body: JSON.stringify(body),
  });
  return (await response.json()).result;
};

class FromOrigin extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { origin: setup.origin });
  }
}

async function main() {
  const client = new Centrifuge(`ws://127.0.0.1:${setup.port}/connection/websocket`, {
    websocket: FromOrigin,
    minReconnectDelay: 10,
    getToken: async () => {
      seen.tokens += 1;
      return setup.token;
    },
  });
  const connected = once(client, "connected");
  client.connect();
  await connected;
  seen.connected = true;

  const room = client.newSubscription("$room:js", { token: setup.channelToken });
  const joined = once(room, "join");
  const published = once(room, "publication");
  room.subscribe();
  seen.joined = (await joined).info.user;
  await room.publish({ hello: "world" });
  seen.published = (await published).data;
  seen.present = Object.values((await room.presence()).clients).map((info) => info.user);

  const { epoch, offset } = await api("history", { channel: "$hist:js" });
  await api("publish", { channel: "$hist:js", data: 1 });
  const history = client.newSubscription("$hist:js", { token: setup.historyToken, since: { epoch, offset } });
  seen.history = [];
  history.on("publication", (context) => seen.history.push(context.data));
  history.subscribe();
  const first = await once(history, "subscribed");
  await api("disconnect", { user: "42", disconnect: { code: 4001, reason: "again" } });
  await api("publish", { channel: "$hist:js", data: 2 });
  const again = await once(history, "subscribed");
  seen.recovered = [first.recovered, again.recovered];
  await new Promise((resolve) => setTimeout(resolve, 0));

  const refused = client.newSubscription("signed:js");
  refused.subscribe();
  seen.refused = (await once(refused, "unsubscribed")).code;
  seen.rpc = await client.rpc("nothing", {}).catch((error) => error.code);
  const disconnected = once(client, "disconnected");
  await api("disconnect", { user: "42" });
  seen.disconnected = (await disconnected).code;
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
