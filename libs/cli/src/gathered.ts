/** For an option that may be repeated: its values so far, and the next one. Unlike a variadic one it eats no arguments. */
export const gathered = (value: string, before: readonly string[] = []): string[] => [...before, value];
