import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { TcpProxy } from '../src/tcp-proxy.ts';

/** An echo behind a proxy, and what it has heard. */
async function start(t: ExecutionContext) {
  const heard: string[] = [];
  const echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      heard.push(String(bytes));
      socket.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  const proxy = await TcpProxy.start(port);
  t.teardown(async () => {
    await proxy.close();
    echo.close();
  });
  return { proxy, port, heard };
}

async function dial({ port }: { port: number }): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

async function answerTo(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [bytes] = await once(socket, 'data');
  return String(bytes);
}

/** How a socket ends: the code of its error, or that it had none. */
const endOf = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve('closed'));
  });

test('it passes everything on, and what is stalled comes later', async (t) => {
  const { proxy, port, heard } = await start(t);
  const socket = await dial(proxy);
  t.is(await answerTo(socket, 'one'), 'one');
  t.is(proxy.connections, 1);
  proxy.stall('up');
  const late = answerTo(socket, 'two');
  const other = await dial(proxy);
  const lateToo = answerTo(other, 'three');
  const direct = await dial({ port });
  await answerTo(direct, 'past it');
  t.deepEqual(heard, ['one', 'past it']);
  proxy.resume();
  t.deepEqual(await Promise.all([late, lateToo]), ['two', 'three']);
  for (const one of [socket, other, direct]) one.destroy();
});

test('a stall of the answers lets requests through', async (t) => {
  const { proxy, heard } = await start(t);
  const socket = await dial(proxy);
  await answerTo(socket, 'one');
  proxy.stall('down');
  const late = answerTo(socket, 'two');
  while (heard.length < 2) await new Promise(setImmediate);
  proxy.resume();
  t.is(await late, 'two');
  socket.destroy();
});

test('dropped answers do not come again, and their connection is reset', async (t) => {
  const { proxy, heard } = await start(t);
  const socket = await dial(proxy);
  await answerTo(socket, 'one');
  const got: string[] = [];
  socket.on('data', (bytes) => got.push(String(bytes)));
  proxy.dropReplies();
  const end = endOf(socket);
  socket.write('two');
  while (heard.length < 2) await new Promise(setImmediate);
  proxy.resume();
  t.is(await end, 'ECONNRESET');
  t.deepEqual(got, []);
  const again = await dial(proxy);
  t.is(await answerTo(again, 'three'), 'three');
  again.destroy();
});

test('it refuses connections, and takes them again on the same port', async (t) => {
  const { proxy } = await start(t);
  const socket = await dial(proxy);
  await answerTo(socket, 'one');
  const end = endOf(socket);
  await proxy.refuse();
  t.is(await end, 'ECONNRESET');
  t.is(await endOf(connect(proxy.port, '127.0.0.1')), 'ECONNREFUSED');
  await proxy.accept();
  const again = await dial(proxy);
  t.is(await answerTo(again, 'two'), 'two');
  again.destroy();
});
