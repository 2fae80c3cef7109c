# SPDX-License-Identifier: Apache-2.0
# headroom - completion for bash; installed as share/bash-completion/completions/headroom.

_headroom_options() {
	case $1 in
	run) echo '--config --sources --spread --strict --reuse --summary --log --log-level --log-format --help' ;;
	host) echo '--include --sources --spread --rule --help' ;;
	status) echo '--threshold --watch --nagios --json --all-netns --pid --container --netns --state-dir --help' ;;
	check) echo '--all --leaks --from --probe --sample --threshold --by --all-netns --pid --container --netns --json --help' ;;
	ports) echo '--probe --by --all-netns --pid --container --netns --json --help' ;;
	report) echo '--name --to --running --sort --by --since --until --history --state-dir --pid --container --netns --all-netns --json --html --help' ;;
	record) echo '--interval --once --history --size --threshold --pid --container --netns --help' ;;
	top) echo '--once --delay --sort --by --filter --host --at --history --pid --container --netns --all-netns --state-dir --help' ;;
	export) echo '--listen --textfile --interval --host --top --per-pid --pid --container --netns --all-netns --state-dir --help' ;;
	attach) echo '--sources --spread --strict --own-ports --force --config --refresh --list --json --help' ;;
	detach) echo '--all --help' ;;
	service) echo '--sources --spread --reuse --strict --rule --runtime --no-restart --watch --force --dry-run --all --json --help' ;;
	disable) echo '--now --help' ;;
	doctor) echo '--host --connect --sources --json --help' ;;
	enable) echo '--help' ;;
	explain) echo '--help' ;;
	config) echo '--help' ;;
	*) echo '--help --version' ;;
	esac
}

_headroom_words() {
	case $1 in
	explain) echo 'headroom capacity blocked knee time-wait reserved udp source sources close-wait probe verdict doubt in-use states rate shim spread reuse process segment namespace nat' ;;
	help) echo 'status run service host check ports doctor report top record export attach detach disable enable explain config' ;;
	config) echo 'check' ;;
	service) echo 'enable disable list' ;;
	host) echo 'enable disable status' ;;
	esac
}

_headroom_command() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif ((COMP_CWORD == $1)); then
		mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
	fi
}

_headroom() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} at
	COMPREPLY=()
	# `--sort=rate` is three words to bash.
	if [[ $word = = ]]; then
		word=''
	elif [[ $before = = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	# Behind `run --` the command's own completion goes on.
	for ((at = 2; at < COMP_CWORD; at++)); do
		if [[ $verb = run && ${COMP_WORDS[at]} = -- ]]; then
			_headroom_command $((at + 1))
			return
		fi
	done
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W 'status run service host check ports doctor report top record export attach detach disable enable explain config help --help --version' -- "$word")
		return
	fi
	case $before in
	--reuse) mapfile -t COMPREPLY < <(compgen -W 'off http http+bodies redis memcached raw' -- "$word") ;;
	--spread) mapfile -t COMPREPLY < <(compgen -W 'even spill sticky off' -- "$word") ;;
	--sort)
		local keys='headroom rate failures'
		[[ $verb = top ]] || keys+=' peak pid'
		mapfile -t COMPREPLY < <(compgen -W "$keys" -- "$word")
		;;
	--by)
		local ways='process workers unit container user'
		[[ $verb = check || $verb = ports ]] || ways+=' source'
		mapfile -t COMPREPLY < <(compgen -W "$ways" -- "$word")
		;;
	--listen) mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:9816' -- "$word") ;;
	--html | --textfile | --history) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	--state-dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	--log) mapfile -t COMPREPLY < <(compgen -W 'stderr syslog off file:' -- "$word") ;;
	--log-level) mapfile -t COMPREPLY < <(compgen -W 'error warn info' -- "$word") ;;
	--log-format) mapfile -t COMPREPLY < <(compgen -W 'logfmt json' -- "$word") ;;
	--sources | --from) mapfile -t COMPREPLY < <(compgen -W 'auto auto,!' -- "$word") ;;
	--netns) mapfile -t COMPREPLY < <(compgen -W "$(ls /run/netns 2>/dev/null)" -- "$word") ;;
	--pid) mapfile -t COMPREPLY < <(cd /proc && compgen -G "${word}*" | grep -x '[0-9]*') ;;
	--config | --rule | -c) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$(_headroom_options "$verb") $(_headroom_words "$verb")" -- "$word")
		if [[ $verb = run && $word != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$word")
		elif [[ $verb = service && $before = @(enable|disable) ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(systemctl list-units --all --type=service --plain --no-legend 2>/dev/null |
				cut -d ' ' -f 1)" -- "$word")
		elif [[ $verb = config && $before = check ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
		fi
		;;
	esac
}

complete -F _headroom headroom
