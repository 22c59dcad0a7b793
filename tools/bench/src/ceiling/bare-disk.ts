// Appends and syncs, with the next append under way while the last is synced: what a log could reach at most.
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { found, given } from '@moldau/measure-tool/children';

const { directory, bytes, pieceBytes } = given<{ directory: string; bytes: number; pieceBytes: number }>();
const path = join(directory, 'appended');
const file = await open(path, 'a');
const piece = Buffer.alloc(pieceBytes, 7);
const startedAt = performance.now();
let syncing = Promise.resolve();
for (let written = 0; written < bytes; written += pieceBytes) {
  await file.write(piece);
  await syncing;
  syncing = file.datasync();
}
await syncing;
found({ seconds: (performance.now() - startedAt) / 1000 });
await file.close();
await rm(path);
