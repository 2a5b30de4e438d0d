# SPDX-License-Identifier: MIT
# Completion of the troupe command for fish. Commands and options come from the program's own tables,
# target and browser ids from the running host.

function __troupe_words
    troupe --print-reference words 2>/dev/null
end

# The words of the line that are no options, without `troupe` itself.
function __troupe_said
    set -l words (commandline -opc)
    for word in $words[2..-1]
        string match -q -- '-*' $word; or echo $word
    end
end

# What may come next: first words, second words of commands that have two, options of the command.
function __troupe_next
    set -l said (__troupe_said)
    set -l table (__troupe_words)
    if test (count $said) -eq 0
        string split -f1 \t -- $table | string split -f1 ' ' | sort -u
        echo help
        return
    end
    set -l name $said[1]
    for row in $table
        set -l words (string split \t -- $row)
        set -l pair (string split ' ' -- $words[1])
        if test (count $pair) -eq 2; and test $pair[1] = $said[1]
            if test (count $said) -eq 1
                echo $pair[2]
            else if test "$said[2]" = $pair[2]
                set name $words[1]
            end
        end
    end
    for row in $table
        set -l words (string split \t -- $row)
        if test $words[1] = $name
            string match -r -a -- '--\S+' $words[2]
        end
    end
end

complete -c troupe -f -a '(__troupe_next)'
complete -c troupe -l target -s t -x -a '(troupe pages --quiet 2>/dev/null)'
complete -c troupe -l browser -s b -x -a '(troupe browsers --quiet 2>/dev/null)'
complete -c troupe -n 'contains -- (__troupe_said)[1] connect disconnect close activate inspect' -a '(troupe pages --quiet 2>/dev/null)'
for option in config token-file ca-file cert-file key-file file output executable store
    complete -c troupe -l $option -r -F
end
