// SPDX-License-Identifier: Apache-2.0
// fields - the names of a kind's fields, from the type declarations of kubernetes-models. The schemas let unknown ones
// pass, as the API server does by default: a mistyped name would do nothing.
import fs from "node:fs";
import path from "node:path";

const root = path.dirname(new URL(import.meta.resolve("kubernetes-models")).pathname);
const known = new Map();

// The interface of a declaration file: {field: [type name, or null]}, and where each type is declared.
function read(file) {
	if (known.has(file)) return known.get(file);
	const text = fs.readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
	const imports = new Map();
	for (const [, names, from] of text.matchAll(/import \{([^}]*)\} from "([^"]+)"/g))
		for (const name of names.split(",")) imports.set(name.trim().replace(/^type /, ""), from);
	const body = /export interface I\w+[^{]*\{([\s\S]*?)\n\}/.exec(text)?.[1] ?? "";
	const fields = new Map();
	for (const [, name, type] of body.matchAll(/^ {4}"([^"]+)"\??: ([\s\S]*?);$/gm)) {
		const inner = [...imports.keys()].find((one) => new RegExp(`\\b${one}\\b`).test(type));
		const from = inner && imports.get(inner);
		const place = !from ? null : from.startsWith(".") ? path.resolve(path.dirname(file), from.replace(/js$/, "d.ts"))
			: declaration(from);
		fields.set(name, { place, free: /\{\s*\[/.test(type) });
	}
	known.set(file, fields);
	return fields;
}

function declaration(module) {
	const js = new URL(import.meta.resolve(module)).pathname;
	const file = js.replace(/js$/, "d.ts");
	return fs.existsSync(file) ? file : null;
}

// Calls complain() for each field of value that its type does not have.
export function unknownFields(value, file, where, complain) {
	if (!file || !fs.existsSync(file) || value === null || typeof value !== "object") return;
	if (Array.isArray(value)) {
		value.forEach((one, i) => unknownFields(one, file, `${where}[${i}]`, complain));
		return;
	}
	const fields = read(file);
	if (!fields.size) return;
	for (const [name, inner] of Object.entries(value)) {
		const field = fields.get(name);
		if (!field) complain(`${where}.${name}: there is no such field`);
		else if (!field.free) unknownFields(inner, field.place, `${where}.${name}`, complain);
	}
}

export function declarationOf(apiVersion, kind) {
	const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
	return path.join(root, group, version, `${kind}.d.ts`);
}
