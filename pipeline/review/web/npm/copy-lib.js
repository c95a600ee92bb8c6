// Copies what the pages load at run time out of node_modules into static/lib/.

import { copyFile, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = new URL("./", import.meta.url);
const from = new URL("node_modules/openseadragon/", here);
const lib = new URL("../static/lib/", here);

await mkdir(lib, { recursive: true });
await copyFile(new URL("build/openseadragon/openseadragon.min.js", from), new URL("openseadragon.min.js", lib));
await copyFile(new URL("LICENSE.txt", from), new URL("openseadragon.LICENSE.txt", lib));
console.log(`OpenSeadragon lies in ${fileURLToPath(lib)}`);
