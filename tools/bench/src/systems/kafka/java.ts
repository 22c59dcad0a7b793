import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A Java with the jars of Kafka. */
export interface KafkaJava {
  readonly program: string;
  /** The folder of the jars. */
  readonly jars: string;
}

const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** What Kafka's scripts set for everything that they start. */
const scriptFlags = [
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
];
const serverHeap = ['-Xmx1G', '-Xms1G'];
const toolHeap = ['-Xmx512M'];

const classPath = ({ jars }: KafkaJava): string[] => ['-cp', join(jars, '*')];
const logging = (file: string): string => `-Dlog4j2.configurationFile=${beside(file)}`;

/** The arguments that start a broker, as `kafka-server-start.sh` does. */
export const serverArgs = (java: KafkaJava, properties: string): string[] => [
  ...serverHeap,
  ...scriptFlags,
  logging('log4j2.properties'),
  ...classPath(java),
  'kafka.Kafka',
  properties,
];

/** Those that run a class of Kafka's, as its scripts do. */
export const toolArgs = (java: KafkaJava, className: string, args: readonly string[]): string[] => [
  ...toolHeap,
  ...scriptFlags,
  logging('tools-log4j2.properties'),
  ...classPath(java),
  className,
  ...args,
];

/** Those that run a source file beside this one. */
export const sourceArgs = (java: KafkaJava, source: string, args: readonly string[]): string[] =>
  toolArgs(java, beside(source), args);
