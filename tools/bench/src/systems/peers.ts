import { kafka } from './kafka/kafka.ts';
import { nats } from './nats/nats.ts';
import { rabbitmq } from './rabbitmq/rabbitmq.ts';
import { redis } from './redis/redis.ts';
import type { System } from './system.ts';

/** What people would use instead. */
export const peers: readonly System[] = [kafka, redis, nats, rabbitmq];
