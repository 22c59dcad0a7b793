import test from 'ava';
import { CpuWatch, cpuSecondsOf } from '../src/process-cpu.ts';

test('of a line of /proc, whatever the program is called', (t) => {
  t.is(cpuSecondsOf('42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 150 25 9 9 20 0 1 0 100'), 1.75);
});

test('a process that works uses time', (t) => {
  const watch = new CpuWatch(process.pid);
  const before = watch.seconds;
  while (watch.seconds - before < 0.05);
  watch.stop();
  t.pass();
});
