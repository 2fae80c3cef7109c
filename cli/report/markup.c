// SPDX-License-Identifier: Apache-2.0
/* markup - what the parts of the page share. */
#include "cli/report/markup.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<title>headroom report</title>\n<style>\n"
	":root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #fff;\n"
	"  --used: #2f6fb2; --late: #c98500; --gone: #c0392b; --free: #e4e9ee; --rest: #aab4be;\n"
	"  --who1: #2f6fb2; --who2: #1b998b; --who3: #8e5bb5; --who4: #b5651d; --who5: #d1669b; --waits: "
	"#d9b44a; }\n"
	"@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --line: #30363d;\n"
	"  --paper: #0d1117; --used: #58a6ff; --late: #e3a008; --gone: #f0665a; --free: #262c34; --rest: "
	"#57606a;\n"
	"  --who1: #58a6ff; --who2: #3fbfae; --who3: #b48ad8; --who4: #d98b45; --who5: #e58bb6; --waits: "
	"#c9a53a; } }\n"
	"body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);\n"
	"  max-width: 70rem; margin: 0 auto; padding: 1rem; }\n"
	"h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .2rem; }\n"
	"h3 { font-size: .95rem; margin: 1rem 0 .3rem; }\n"
	"p { margin: .2rem 0; } .soft, figcaption { color: var(--soft); font-size: .85rem; }\n"
	"code { overflow-wrap: anywhere; }\n"
	".wide { overflow-x: auto; }\n"
	"table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; }\n"
	"th, td { padding: .15rem .6rem .15rem 0; text-align: right; white-space: nowrap;\n"
	"  border-bottom: 1px solid var(--line); }\n"
	"th:nth-child(-n+2), td:nth-child(-n+2), .events th, .events td { text-align: left; }\n"
	".events td:last-child { white-space: normal; min-width: 14rem; }\n"
	"figure { margin: .5rem 0; } svg { display: block; width: 100%; max-width: 34rem; height: auto; }\n"
	"svg text { font: 10px system-ui, sans-serif; fill: var(--soft); }\n"
	".free { fill: var(--free); } .used { fill: var(--used); } .late { fill: var(--late); }\n"
	".gone { fill: var(--gone); } .knee { stroke: var(--ink); stroke-dasharray: 2 2; }\n"
	".who1 { fill: var(--who1); } .who2 { fill: var(--who2); } .who3 { fill: var(--who3); }\n"
	".who4 { fill: var(--who4); } .who5 { fill: var(--who5); } .waits { fill: var(--waits); }\n"
	".rest { fill: var(--rest); } .grid { stroke: var(--line); stroke-width: .6; }\n"
	".mark { stroke: var(--gone); stroke-dasharray: 3 2; } .past svg { max-width: 52rem; }\n"
	".key { display: inline-block; margin-right: .8rem; overflow-wrap: anywhere; }\n"
	".past .key svg { display: inline-block; width: .7em; margin-right: .35em; }\n"
	"dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .4rem 1rem; "
	"margin: .8rem 0; }\n"
	"dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: 1.15rem; overflow-wrap: "
	"anywhere;\n"
	"  font-variant-numeric: tabular-nums; }\n"
	"@media (max-width: 30rem) { body { padding: .6rem; } svg text { font-size: 10px; }\n  .past svg "
	"text { font-size: 17px; } }\n"
	"@media print { body { max-width: none; padding: 0; font-size: 10pt; } section { break-inside: "
	"avoid-page; }\n"
	"  .wide { overflow: visible; } table { font-size: 7.5pt; } rect { print-color-adjust: exact;\n"
	"  -webkit-print-color-adjust: exact; } }\n"
	"</style>\n</head>\n<body>\n";

void markup_text(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
}

void markup_head(FILE *out)
{
	fputs(head, out);
}
