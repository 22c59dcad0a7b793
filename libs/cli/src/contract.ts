import type { DescEnum, DescField, DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import { SubscriptionService } from '@moldau/proto/moldau/group/v1/subscription_pb';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';

/** The services that clients may call. */
export const services: readonly DescService[] = [
  ServerInfoService,
  ClusterService,
  LogService,
  GroupService,
  SubscriptionService,
];

/** `unary`, `server stream`, `session` */
export function kindOf(method: DescMethod): string {
  switch (method.methodKind) {
    case 'unary':
      return 'unary';
    case 'server_streaming':
      return 'server stream';
    case 'client_streaming':
      return 'client stream';
    case 'bidi_streaming':
      return 'session';
  }
}

/** Finds `ListTopics`, `ClusterService.ListTopics`, `moldau.cluster.v1.ClusterService/ListTopics`; in any case of letters. */
export function findMethods(name: string): DescMethod[] {
  const wanted = name.replace('/', '.').toLowerCase();
  const isNamed = (full: string): boolean => full === wanted || full.endsWith(`.${wanted}`);
  return services.flatMap(({ methods }) =>
    methods.filter((method) => isNamed(`${method.parent.typeName}.${method.name}`.toLowerCase())),
  );
}

/** A message type that a service uses, by its name. */
export function findMessage(name: string): DescMessage | undefined {
  const wanted = name.toLowerCase();
  return messagesOf(services.flatMap(({ methods }) => methods.flatMap(({ input, output }) => [input, output]))).find(
    ({ typeName }) => typeName.toLowerCase() === wanted || typeName.toLowerCase().endsWith(`.${wanted}`),
  );
}

/** These messages and all that they are made of. */
function messagesOf(roots: readonly DescMessage[]): DescMessage[] {
  const found = new Set<DescMessage>();
  const visit = (message: DescMessage): void => {
    if (found.has(message)) return;
    found.add(message);
    for (const { message: inner } of message.fields) if (inner !== undefined) visit(inner);
  };
  for (const root of roots) visit(root);
  return [...found];
}

/** A method with its messages, in the language of the contract. */
export function describeMethod(method: DescMethod): string {
  const stream = (streams: boolean, { typeName }: DescMessage): string => `${streams ? 'stream ' : ''}${typeName}`;
  const { methodKind, input, output } = method;
  const clientStreams = methodKind === 'client_streaming' || methodKind === 'bidi_streaming';
  const serverStreams = methodKind === 'server_streaming' || methodKind === 'bidi_streaming';
  const head = `rpc ${method.name}(${stream(clientStreams, input)}) returns (${stream(serverStreams, output)});\n`;
  return [`// ${method.parent.typeName}\n${head}`, ...messagesOf([input, output]).map(describeMessage)].join('\n');
}

export function describeMessage(message: DescMessage): string {
  const fields = message.fields.map(
    (field) => `  ${labelOf(field)}${typeOf(field)} ${field.name} = ${field.number};\n`,
  );
  const enums = new Set(message.fields.flatMap((field) => (field.enum === undefined ? [] : [field.enum])));
  return `message ${message.typeName} {\n${fields.join('')}}\n${[...enums].map(describeEnum).join('')}`;
}

function describeEnum({ typeName, values }: DescEnum): string {
  return `enum ${typeName} {\n${values.map(({ name, number }) => `  ${name} = ${number};\n`).join('')}}\n`;
}

function labelOf(field: DescField): string {
  if (field.fieldKind === 'list') return 'repeated ';
  return field.proto.proto3Optional ? 'optional ' : '';
}

function typeOf(field: DescField): string {
  if (field.message !== undefined) return field.message.typeName;
  if (field.enum !== undefined) return field.enum.typeName;
  return field.scalar === undefined ? 'map' : ScalarType[field.scalar].toLowerCase();
}
