#compdef cryptsync
# Completion of cryptsync for zsh. Put it into a directory of $fpath as _cryptsync, or read it from ~/.zshrc behind
# compinit: source <(cryptsync completion zsh)

_cryptsync() {
    local -a lines open open_shown done done_shown
    local line value shown
    lines=("${(@f)$("${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${lines[@]}"; do
        [[ -n $line ]] || continue
        value=${line%%$'\t'*}
        shown=$value
        [[ $line == *$'\t'?* ]] && shown="$value  -- ${line#*$'\t'}"
        if [[ $value == *[/:=] ]]; then
            open+=("$value")
            open_shown+=("$shown")
        else
            done+=("$value")
            done_shown+=("$shown")
        fi
    done
    (( ${#open} )) && compadd -S '' -l -d open_shown -a open
    (( ${#done} )) && compadd -l -d done_shown -a done
    return 0
}

if [[ $funcstack[1] == _cryptsync ]]; then
    _cryptsync "$@"
elif (( $+functions[compdef] )); then
    compdef _cryptsync cryptsync
fi
