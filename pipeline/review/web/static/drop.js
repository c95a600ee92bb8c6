// Files and folders that were dropped on the page.

/** Where a file lay within what was dropped or chosen. @type {WeakMap<File, string>} */
const paths = new WeakMap();

/** @param {File} file */
export const relativeName = (file) => paths.get(file) || file.webkitRelativePath || file.name;

/** @param {DataTransfer | null} data @returns {Promise<File[]>} all files, those of folders too */
export async function droppedFiles(data) {
  const entries = [...(data?.items ?? [])].map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...(data?.files ?? [])];
  const found = await Promise.all(entries.filter((entry) => entry !== null).map((entry) => filesOf(entry)));
  return found.flat().length ? found.flat() : files;
}

/** @param {FileSystemEntry} entry @returns {Promise<File[]>} */
async function filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((/** @type {(file: File) => void} */ done, failed) => /** @type {FileSystemFileEntry} */ (entry).file(done, failed));
    paths.set(file, entry.fullPath.replace(/^\//, ""));
    return file.name.startsWith(".") ? [] : [file];
  }
  const children = await childrenOf(/** @type {FileSystemDirectoryEntry} */ (entry));
  return (await Promise.all(children.map(filesOf))).flat();
}

/** A directory is read a hundred entries at a time. @param {FileSystemDirectoryEntry} folder */
async function childrenOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    const some = await new Promise((/** @type {(some: FileSystemEntry[]) => void} */ done, failed) => reader.readEntries(done, failed));
    if (!some.length) return all;
    all.push(...some);
  }
}
