import { spawnTied } from '../src/tied-child.ts';

// Starts a child, says who it is, and stays.
console.log(String(spawnTied('sleep', ['1000']).pid));
setInterval(() => {}, 60_000);
