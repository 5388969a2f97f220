// npm install && npm run build: makes ../data/three.min.js and its licence, the same bytes each time.
import { build } from "esbuild";
import { copyFileSync, readFileSync } from "node:fs";

const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const licence = "node_modules/three/LICENSE";
await build({
  entryPoints: ["parts.js"], outfile: "../data/three.min.js", bundle: true, minify: true, format: "iife", globalName: "THREE",
  legalComments: "none", banner: { js: `/* Part of three.js ${devDependencies.three}.\n\n${readFileSync(licence, "utf8")}*/` },
});
copyFileSync(licence, "../data/three.LICENSE");
