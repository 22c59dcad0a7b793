import { FileError, type FileErrorCode } from '@moldau/kernel';

const codes: Readonly<Record<string, FileErrorCode>> = {
  ENOENT: 'ENOENT',
  EEXIST: 'EEXIST',
  ENOSPC: 'ENOSPC',
  EDQUOT: 'ENOSPC',
};

/** Runs an operation on `path`; what the system reports is thrown as a FileError. */
export async function onPath<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new FileError(codes[code] ?? 'EIO', path, error instanceof Error ? error.message : String(error), error);
  }
}
