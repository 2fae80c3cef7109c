// SPDX-License-Identifier: Apache-2.0
// inject - what the MutatingAdmissionPolicy makes of a pod: its CEL expression evaluated, and the result merged as the API
// server merges an apply configuration: lists of objects by their key.
import { Environment } from "@marcbachmann/cel-js";

// Kubernetes' own: Object.spec.containers{name: ...} is a literal of that type. To the evaluator it is a map.
export function plain(expression) {
	return expression.replace(/\bObject(\.\w+)*\s*\{/g, "{").replace(/(?<=[{,]\s*)(\w+)(?=:)/g, '"$1"');
}

const KEYS = { containers: "name", volumes: "name", env: "name", volumeMounts: "mountPath" };

function merge(into, from) {
	for (const [name, value] of Object.entries(from)) {
		if (KEYS[name]) {
			into[name] ??= [];
			for (const one of value) {
				const there = into[name].find((other) => other[KEYS[name]] === one[KEYS[name]]);
				if (there) merge(there, one);
				else into[name].push(merge({}, one));
			}
		} else if (value && typeof value === "object" && !Array.isArray(value)) {
			into[name] = merge(into[name] ?? {}, value);
		} else {
			into[name] = value;
		}
	}
	return into;
}

export function inject(policy, pod) {
	const cel = new Environment({ unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false });
	const variables = {};
	for (const one of policy.spec.variables)
		variables[one.name] = cel.evaluate(one.expression, { object: pod, variables });
	let made = structuredClone(pod);
	for (const one of policy.spec.mutations)
		made = merge(made, cel.evaluate(plain(one.applyConfiguration.expression), { object: made, variables }));
	return made;
}
