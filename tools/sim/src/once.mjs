import { runHistory } from './history.ts';

const seed = Number(process.argv[2]);
const n = Number(process.argv[3] ?? 1);
for (let s = seed; s < seed + n; s++) {
  const t = performance.now();
  const o = await runHistory(s, process.argv[4] ? console.log : undefined);
  console.log(
    s,
    o.digest,
    Math.round(o.virtualMs),
    JSON.stringify(o.writes),
    (performance.now() - t).toFixed(0) + 'ms',
    o.broken ? o.broken.what : 'ok',
  );
  if (o.broken && n === 1 && !process.argv[4]) console.log(o.broken.tail.slice(-40).join('\n'));
}
process.exit(0);
