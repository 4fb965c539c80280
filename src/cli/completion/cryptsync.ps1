# Completion of cryptsync for PowerShell. Read it from $PROFILE: cryptsync completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName 'cryptsync' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $elements = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition })
    $words = @($elements | Select-Object -Skip 1 | ForEach-Object {
        if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text }
    })
    $typed = $wordToComplete.Trim("'", '"')
    if ($typed -eq '') { $typed = if ($PSVersionTable.PSVersion -lt [version]'7.3') { '""' } else { '' } }
    & $elements[0].Extent.Text '__complete' @words $typed 2>$null | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        $text = if ($value -match "[\s'`"``$&|;(){}<>,#@]") { "'" + $value.Replace("'", "''") + "'" } else { $value }
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($text, $value, 'ParameterValue', $help)
    }
}
