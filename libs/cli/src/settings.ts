import {
  type Config,
  defineConfig,
  duration,
  environmentName,
  oneOf,
  optional,
  resolve,
  type Sources,
  text,
  unknownVariables,
  type Values,
} from '@moldau/config';
import { StartError } from '@moldau/kernel';
import { usage } from './exit-code.ts';
import type { Io } from './io.ts';
import { profileNamed } from './profiles.ts';

/** How a listing is written. */
export const outputs = ['table', 'json', 'jsonl', 'yaml', 'name'] as const;
export type Output = (typeof outputs)[number];

/** Variables of services that look like slips of the pen for one of these. */
const variablesOfServices = ['MOLDAU_ETCD_CA', 'MOLDAU_ETCD_CERT', 'MOLDAU_ETCD_KEY'];

/** What every command takes: as a flag, as a variable `MOLDAU_…`, or from a profile. */
export const settingsSchema = defineConfig({
  endpoints: text({
    default: 'localhost:7070',
    doc: 'Where the cluster is: host:port of any of its processes, or several with commas.',
  }),
  'tls.ca': optional(text({ doc: 'A file with the certificates (PEM) to trust. Any tls setting turns TLS on.' })),
  'tls.cert': optional(text({ doc: 'A file with the certificate (PEM) to show.' })),
  'tls.key': optional(text({ doc: 'A file with the key (PEM) of that certificate.' })),
  'tls.server.name': optional(
    text({ doc: "The name in the server's certificate, where it is not that of the address." }),
  ),
  token: optional(text({ secret: true, doc: 'Sent with every call.' })),
  timeout: duration({ default: '10s', min: '1ms', max: '1d', doc: 'How long a call may take, retries included.' }),
  output: optional(
    oneOf(outputs, { doc: 'How listings are written. Default: a table on a terminal, JSON lines in a pipe.' }),
  ),
});

export type Settings = Values<typeof settingsSchema>;
export type SettingKey = keyof typeof settingsSchema;
export const settingKeys = Object.keys(settingsSchema) as SettingKey[];

/** The global flags as they were given, by the names that the parser gives them. */
export interface GlobalOptions {
  readonly endpoints?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
  readonly token?: string;
  readonly timeout?: string;
  readonly output?: string;
  readonly profile?: string;
  readonly quiet?: boolean;
}

/** The flags that were given, by the keys of the settings. */
export function givenSettings(options: GlobalOptions): Partial<Record<SettingKey, string>> {
  const given: Record<SettingKey, string | undefined> = {
    endpoints: options.endpoints,
    'tls.ca': options.tlsCa,
    'tls.cert': options.tlsCert,
    'tls.key': options.tlsKey,
    'tls.server.name': options.tlsServerName,
    token: options.token,
    timeout: options.timeout,
    output: options.output,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Flag before variable before profile before default. Throws a usage error that lists every problem. */
export function settingsOf(options: GlobalOptions, io: Io): Config<typeof settingsSchema> {
  const profile = profileNamed(options.profile ?? io.env.MOLDAU_PROFILE, io.env);
  const names = new Set(settingKeys.map(environmentName));
  const environment = Object.fromEntries(Object.entries(io.env).filter(([name]) => names.has(name)));
  return resolved({
    flags: givenSettings(options),
    environment,
    ...(profile !== undefined && { file: { path: `profile ${profile.name}`, values: profile.values } }),
  });
}

/** The variables that a command reads. */
export const variableNames: readonly string[] = [...settingKeys, 'profile'].map(environmentName);

/** Says which variables are likely slips of the pen. Others may be those of a service in the same environment. */
export function warnOfSlips({ quiet }: GlobalOptions, { env, stderr }: Io): void {
  if (quiet === true) return;
  for (const { name, near } of unknownVariables(variableNames, env, variablesOfServices)) {
    if (near !== undefined) stderr.write(`warning: ${name} is unknown: is it ${near}?\n`);
  }
}

/** Refuses flags that no command could use. Throws a usage error. */
export function checkSettings(options: GlobalOptions): void {
  resolved({ flags: givenSettings(options) });
}

function resolved(sources: Sources): Config<typeof settingsSchema> {
  try {
    return resolve(settingsSchema, sources);
  } catch (error) {
    throw error instanceof StartError ? usage(error.message) : error;
  }
}
