import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onPath } from '@moldau/testing/fetch/on-path';
import { cacheOf, fetchedInto } from '@moldau/testing/fetch/version-cache';
import { NotHere } from '../system.ts';
import type { KafkaJava } from './java.ts';

const run = promisify(execFile);

export const kafkaVersion = '4.3.1';

const javaMajorMin = 17;
const javaMs = 20_000;
/** A machine without a network says so sooner. */
const downloadMs = 180_000;

/** A Java that can run Kafka, and Kafka: fetched from Maven's repositories where the cache lacks it. Throws {@link NotHere}. */
export async function fetchKafka(): Promise<KafkaJava> {
  const program = await findJava();
  const jars = await fetchedInto(cacheOf('kafka'), download, kafkaVersion);
  return { program, jars };
}

async function findJava(): Promise<string> {
  const program = await onPath('java');
  if (program === undefined) throw new NotHere('Kafka needs a JDK, and there is no java on the PATH');
  const { stdout, stderr } = await run(program, ['--version'], { timeout: javaMs }).catch(() => ({
    stdout: '',
    stderr: '',
  }));
  const major = Number(/^\S+ (\d+)/.exec(`${stdout}${stderr}`)?.[1] ?? 0);
  if (major < javaMajorMin) throw new NotHere(`Kafka needs Java ${javaMajorMin} or later: ${program} is ${major}`);
  // A runtime alone can't run a source file.
  const modules = await run(program, ['--list-modules'], { timeout: javaMs });
  if (!modules.stdout.includes('jdk.compiler')) throw new NotHere(`${program} has no compiler: install a whole JDK`);
  return program;
}

async function download(place: string): Promise<{ version: string; folder: string }> {
  const maven = await onPath('mvn');
  if (maven === undefined) throw new NotHere('Kafka is fetched by Maven, and there is no mvn on the PATH');
  const folder = join(place, 'jars');
  const pom = fileURLToPath(new URL('pom.xml', import.meta.url));
  const args = ['--batch-mode', '--quiet', '--file', pom, `-Dkafka.version=${kafkaVersion}`];
  const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${folder}`, '-DincludeScope=runtime'];
  try {
    await run(maven, [...args, ...copy], { timeout: downloadMs });
  } catch (cause) {
    throw new NotHere(`Kafka ${kafkaVersion} can't be fetched by Maven. ${complaintOf(cause)}`, { cause });
  }
  return { version: kafkaVersion, folder };
}

/** Maven says the reason on stdout, first. */
function complaintOf(error: unknown): string {
  if (error instanceof Error && 'stdout' in error && error.stdout !== '')
    return String(error.stdout).split('\n')[0] ?? '';
  return error instanceof Error ? error.message : String(error);
}
