// SPDX-License-Identifier: Apache-2.0
// check - each document of a folder against the schema of its kind; then the policy against pods of all sorts.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { parseAllDocuments } from "yaml";
import { declarationOf, unknownFields } from "./fields.mjs";
import { inject } from "./inject.mjs";

const folder = process.argv[2];
const documents = {};
let failures = 0;

function complain(text) {
	failures++;
	console.log(`FAIL  ${text}`);
}

async function validate(object, where) {
	const file = declarationOf(object.apiVersion, object.kind);
	if (!fs.existsSync(file)) return complain(`${where}: no schema of ${object.apiVersion} ${object.kind}`);
	const kind = (await import(file.replace(/d\.ts$/, "js")))[object.kind];
	try {
		new kind(object).validate();
	} catch (why) {
		complain(`${where}: ${why.message}`);
	}
	unknownFields(object, file, where, complain);
}

for (const name of fs.readdirSync(folder).filter((one) => one.endsWith(".yaml"))) {
	documents[name] = parseAllDocuments(fs.readFileSync(path.join(folder, name), "utf8")).map((one) => {
		one.errors.forEach((error) => complain(`${name}: ${error.message}`));
		return one.toJS();
	});
	for (const object of documents[name]) await validate(object, `${name} ${object.kind}`);
}

// The checks themselves see what is wrong.
const before = failures;
const log = console.log;
console.log = () => {};
await validate({ apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: { containers: [{ name: "x", imagePolicy: "y" }] } }, "x");
await validate({ apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: { containers: "y" } }, "x");
console.log = log;
assert.equal(failures, before + 2, "a wrong field and a wrong type are seen");
failures = before;

const policy = documents["inject.yaml"].find((one) => one.kind === "MutatingAdmissionPolicy");
const LIBRARY = "/opt/headroom/libheadroom.so";
const preloads = (pod) => pod.spec.containers.map((c) => c.env?.find((e) => e.name === "LD_PRELOAD")?.value);
const podOf = (...containers) => ({ apiVersion: "v1", kind: "Pod", metadata: { name: "x", labels: { "headroom.dev/inject": "shim" } },
	spec: { containers, volumes: [{ name: "data", emptyDir: {} }] } });
const named = (name, env, more) => ({ name, image: "i", ...(env && { env }), ...more });
const from = { configMapKeyRef: { name: "m", key: "k" } };

async function made(...containers) {
	const pod = inject(policy, podOf(...containers));
	await validate(pod, "an injected pod");
	assert.deepEqual(inject(policy, pod), pod, "a second time changes nothing");
	assert.deepEqual(pod.spec.volumes, [{ name: "data", emptyDir: {} },
		{ name: "headroom", image: { reference: "registry.example/headroom-shim", pullPolicy: "IfNotPresent" } }]);
	for (const c of pod.spec.containers)
		assert.deepEqual(c.volumeMounts.filter((m) => m.name === "headroom"),
			[{ name: "headroom", mountPath: "/opt/headroom", readOnly: true }]);
	return pod;
}

const cases = {
	"a container without variables": async () => assert.deepEqual(preloads(await made(named("a"))), [LIBRARY]),
	"two of them": async () => assert.deepEqual(preloads(await made(named("a"), named("b", []))), [LIBRARY, LIBRARY]),
	"its other variables and mounts stay": async () => {
		const pod = await made(named("a", [{ name: "X", value: "1" }], { volumeMounts: [{ name: "data", mountPath: "/data" }] }));
		assert.deepEqual(pod.spec.containers[0].env, [{ name: "X", value: "1" }, { name: "LD_PRELOAD", value: LIBRARY }]);
		assert.equal(pod.spec.containers[0].volumeMounts.length, 2);
	},
	"one that is there comes first": async () =>
		assert.deepEqual(preloads(await made(named("a", [{ name: "LD_PRELOAD", value: "/jemalloc.so" }]))), [`/jemalloc.so:${LIBRARY}`]),
	"an empty one": async () => {
		assert.deepEqual(preloads(await made(named("a", [{ name: "LD_PRELOAD", value: "" }]))), [LIBRARY]);
		assert.deepEqual(preloads(await made(named("a", [{ name: "LD_PRELOAD" }]))), [LIBRARY]);
	},
	"the shim is there": async () =>
		assert.deepEqual(preloads(await made(named("a", [{ name: "LD_PRELOAD", value: "/mine/libheadroom.so" }]))), ["/mine/libheadroom.so"]),
	"valueFrom is left alone": async () => {
		const pod = await made(named("a", [{ name: "LD_PRELOAD", valueFrom: from }]), named("b"));
		assert.deepEqual(pod.spec.containers[0].env, [{ name: "LD_PRELOAD", valueFrom: from }]);
		assert.deepEqual(preloads(pod), [undefined, LIBRARY]);
	},
};
for (const [name, run] of Object.entries(cases)) {
	try {
		await run();
	} catch (why) {
		complain(`${name}: ${why.message}`);
	}
}

// The restricted policy of Pod Security Standards, for each container of the older way.
const { spec } = documents["init-container.yaml"][0].spec.template;
if (!spec.securityContext.runAsNonRoot || spec.securityContext.seccompProfile.type !== "RuntimeDefault")
	complain("init-container.yaml: not restricted");
for (const c of [...spec.initContainers, ...spec.containers]) {
	const s = c.securityContext ?? {};
	if (s.allowPrivilegeEscalation !== false || s.capabilities?.drop?.[0] !== "ALL" || s.capabilities.add || s.privileged)
		complain(`init-container.yaml: ${c.name}: not restricted`);
	if (!c.resources?.requests?.memory || !c.resources.limits?.memory) complain(`init-container.yaml: ${c.name}: no resources`);
}
console.log(failures ? `${failures} failures` : `ok: ${Object.values(documents).flat().length} documents, ${Object.keys(cases).length} kinds of pods`);
process.exit(failures ? 1 : 0);
