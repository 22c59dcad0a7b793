import {
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromJson,
  type Message,
  toJson,
} from '@bufbuild/protobuf';
import { clientTimers, hostClock } from '@moldau/host';
import { defaultLimits, GrpcDialer } from '@moldau/rpc';
import { describeMessage, describeMethod, findMessage, findMethods, kindOf, services } from '../contract.ts';
import { CommandFailed, exitCode, usage } from '../exit-code.ts';
import { type Io, write } from '../io.ts';
import { printRows } from '../listing.ts';
import { tlsOf } from '../session.ts';
import { type GlobalOptions, type Settings, settingsOf } from '../settings.ts';

const maxRequestBytes = 8 * 1024 * 1024;

/** `moldau api list` */
export async function list(options: GlobalOptions, io: Io): Promise<void> {
  const rows = services.flatMap(({ typeName, methods }) =>
    methods.map((method) => ({ method: `${typeName}/${method.name}`, kind: kindOf(method) })),
  );
  await printRows(rows, 'method', settingsOf(options, io).values.output, io);
}

/** `moldau api describe`: a method with its messages, or one message. */
export async function describe(name: string, io: Io): Promise<void> {
  const methods = findMethods(name);
  const message = methods.length === 0 ? findMessage(name) : undefined;
  if (message !== undefined) return write(io.stdout, describeMessage(message));
  if (methods.length === 0) throw unknown(name);
  await write(io.stdout, methods.map(describeMethod).join('\n'));
}

/** `moldau api call`: sends one message, prints what comes back as a line of JSON each. */
export async function call(name: string, body: string | undefined, options: GlobalOptions, io: Io): Promise<void> {
  const method = theMethod(name);
  const settings = settingsOf(options, io).values;
  const request = requestOf(method.input, body === '-' ? await stdinText(io) : (body ?? '{}'));
  const channel = dial(settings);
  const print = (message: Message): Promise<void> => {
    const json = toJson(method.output, message, { useProtoFieldName: true, alwaysEmitImplicit: true });
    return write(io.stdout, `${JSON.stringify(json)}\n`);
  };
  const signal = io.interrupted;
  try {
    if (isUnary(method)) {
      await print(await channel.unary(method, request, { signal, timeoutMs: settings.timeout }));
      return;
    }
    if (isServerStream(method)) {
      for await (const message of channel.serverStream(method, request, { signal })) await print(message);
      return;
    }
    throw usage(`${method.name} is a session: only unary calls and server streams can be called from here`);
  } catch (error) {
    if (!io.interrupted.aborted) throw error;
  } finally {
    channel.close();
  }
}

const isUnary = (method: DescMethod): method is DescMethod & DescMethodUnary => method.methodKind === 'unary';
const isServerStream = (method: DescMethod): method is DescMethod & DescMethodServerStreaming =>
  method.methodKind === 'server_streaming';

function dial(settings: Settings) {
  const [address = ''] = (settings.endpoints ?? '').split(',');
  const dialer = new GrpcDialer({
    clock: hostClock,
    timers: clientTimers,
    limits: defaultLimits,
    tls: tlsOf(settings),
    token: settings.token,
  });
  return dialer.dial(address.trim(), 'control');
}

function theMethod(name: string): DescMethod {
  const [method, ...others] = findMethods(name);
  if (method === undefined) throw unknown(name);
  if (others.length === 0) return method;
  const names = [method, ...others].map(({ parent, name: short }) => `${parent.typeName}/${short}`);
  throw usage(`${JSON.stringify(name)} is several: say ${names.join(' or ')}`);
}

const unknown = (name: string): CommandFailed =>
  new CommandFailed(exitCode.notFound, `no method or message ${JSON.stringify(name)}: \`moldau api list\` shows them`);

function requestOf(schema: DescMessage, text: string): Message {
  try {
    return fromJson(schema, JSON.parse(text));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw usage(
      `the request is no ${schema.typeName} in JSON (${problem}): see \`moldau api describe ${schema.name}\``,
    );
  }
}

async function stdinText(io: Io): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of io.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxRequestBytes) throw usage(`the request is longer than ${maxRequestBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
