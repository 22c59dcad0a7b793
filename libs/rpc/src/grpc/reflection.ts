import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { policyOf } from '../policy.ts';
import type { ServedService } from '../transport.ts';

/** Adds `grpc.reflection.v1`, so that `grpcurl` and its like need no files. Services between nodes are not shown. */
export function addReflection(server: Server, services: readonly ServedService[]): void {
  const shown = services.map(({ service }) => service).filter((service) => !betweenNodes(service));
  if (shown.length === 0) return;
  const files = new Map<string, DescFile>();
  for (const { file } of shown) collect(file, files);
  // The library reads nothing but the files of what looks like a message type.
  const fileDescriptorProtos = [...files.values()].map((file) =>
    Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)),
  );
  new ReflectionService({
    moldau: { format: 'Protocol Buffer 3 DescriptorProto', type: {}, fileDescriptorProtos },
  }).addToServer(server);
}

const betweenNodes = (service: DescService): boolean =>
  service.methods.every(({ name }) => policyOf(service, name).access === 'node');

/** The file and all that it imports, imports first. */
function collect(file: DescFile, files: Map<string, DescFile>): void {
  if (files.has(file.name)) return;
  for (const dependency of file.dependencies) collect(dependency, files);
  files.set(file.name, file);
}
