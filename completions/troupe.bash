# SPDX-License-Identifier: MIT
# Completion of the troupe command for bash. Commands and options come from the program's own tables,
# target and browser ids from the running host.

_troupe_words()
{
    troupe --print-reference words 2> /dev/null
}

# The command that stands on the line: one word, or two.
_troupe_command()
{
    local i word first=
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == -* ]] && continue
        if [[ -z $first ]]; then
            first=$word
        elif _troupe_words | cut -f 1 | grep -qxF -- "$first $word"; then
            printf '%s %s' "$first" "$word"
            return
        fi
    done
    printf '%s' "$first"
}

_troupe_ids()
{
    case $1 in
    targets) troupe pages --quiet 2> /dev/null ;;
    browsers) troupe browsers --quiet 2> /dev/null ;;
    ports) troupe ports list --quiet 2> /dev/null ;;
    esac
}

# bash splits words at `:`, which stands in every target id.
_troupe_reply()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
    if declare -F __ltrim_colon_completions > /dev/null; then
        __ltrim_colon_completions "$2"
    fi
}

_troupe()
{
    local current previous command
    current=${COMP_WORDS[COMP_CWORD]}
    previous=${COMP_WORDS[COMP_CWORD - 1]}
    if declare -F _get_comp_words_by_ref > /dev/null; then
        _get_comp_words_by_ref -n : -c current -p previous
    fi
    command=$(_troupe_command)
    COMPREPLY=()

    case $previous in
    --target | -t) _troupe_reply "$(_troupe_ids targets)" "$current"; return ;;
    --browser | -b) _troupe_reply "$(_troupe_ids browsers)" "$current"; return ;;
    --config | --token-file | --ca-file | --cert-file | --key-file | --file | --output | --executable | --store)
        mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --state-dir | --runtime-dir | --profile)
        mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    --attach) _troupe_reply "launched all none" "$current"; return ;;
    --log-level) _troupe_reply "error warn info debug trace" "$current"; return ;;
    --level | -l) _troupe_reply "error warning info log debug" "$current"; return ;;
    esac

    if [[ $current == -* && -n $command ]]; then
        _troupe_reply "$(_troupe_words | awk -F '\t' -v c="$command" '$1 == c { print $2 }')" "$current"
        return
    fi
    case $command in
    '') _troupe_reply "help $(_troupe_words | cut -f 1 | cut -d ' ' -f 1 | sort -u)" "$current" ;;
    ports) _troupe_reply "add remove list" "$current" ;;
    'ports remove') _troupe_reply "$(_troupe_ids ports)" "$current" ;;
    targets) _troupe_reply "set clear" "$current" ;;
    connect | disconnect | 'targets set') _troupe_reply "$(_troupe_ids targets)" "$current" ;;
    close) _troupe_reply "$(_troupe_ids targets) $(_troupe_ids browsers)" "$current" ;;
    help) _troupe_reply "$(_troupe_words | cut -f 1)" "$current" ;;
    esac
}

complete -F _troupe troupe
