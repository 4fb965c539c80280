# Completion of cryptsync for bash. Read it from ~/.bashrc: source <(cryptsync completion bash)

_cryptsync() {
    # Bash breaks words at colons and equals signs too; these are the words that are separated by space.
    local -a words=()
    local rest=${COMP_LINE:0:COMP_POINT} piece i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && piece=${rest#"${rest%%[![:space:]]*}"}
        if [[ $i -eq 0 || $rest == [[:space:]]* ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            words+=("$piece")
        else
            words[${#words[@]}-1]+=$piece
        fi
        rest=${rest#"$piece"}
    done
    local typed=${words[${#words[@]}-1]} quote=
    for i in "${!words[@]}"; do
        case ${words[i]} in
            \"*|\'*) words[i]=${words[i]:1}; words[i]=${words[i]%[\"\']} ;;
            *) words[i]=${words[i]//\\/} ;;
        esac
    done
    [[ $typed == [\"\']* ]] && quote=${typed:0:1} && typed=${typed:1}
    # Bash puts the answer in place of what is behind the last break only.
    local before=
    [[ -z $quote && $typed == *[:=]* ]] && before=${typed%"${typed##*[:=]}"}
    local line value
    COMPREPLY=()
    while IFS= read -r line; do
        value=${line%%$'\t'*}
        if [[ -z $quote ]]; then
            # A tilde or a colon needs no escape.
            [[ $value == *[!A-Za-z0-9_./:=@%+,~-]* || $value == "~"* ]] && printf -v value %q "$value"
            value=${value#"$before"}
        fi
        [[ $value == *[/:=] || -n $quote ]] || value+=' '
        COMPREPLY+=("$value")
    done < <("${COMP_WORDS[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -o nospace -F _cryptsync cryptsync
