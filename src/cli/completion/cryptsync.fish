# Completion of cryptsync for fish. Save it as ~/.config/fish/completions/cryptsync.fish

function __cryptsync_complete
    set -l words (commandline --tokenize --current-process --cut-at-cursor)
    set -l typed (commandline --current-token --cut-at-cursor | string unescape 2>/dev/null)
    test (count $typed) -eq 0; and set typed (commandline --current-token --cut-at-cursor)
    test (count $typed) -eq 0; and set typed ''
    $words[1] __complete $words[2..-1] $typed 2>/dev/null
end

complete --command cryptsync --no-files --arguments '(__cryptsync_complete)'
