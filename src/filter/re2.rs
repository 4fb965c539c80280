//! The regular expressions of patterns: the syntax of RE2, as rclone's users know it, written so that [`regex`] reads the
//! same. Perl's classes are those of ASCII, and what RE2 refuses is refused.

/// Rewrites an expression.
///
/// # Errors
/// What is wrong with it, in a few words.
pub(super) fn to_regex(text: &str) -> Result<String, String> {
    let mut rewrite = Rewrite { chars: text.chars().collect(), at: 0, out: String::with_capacity(text.len() + 16) };
    rewrite.run()?;
    Ok(rewrite.out)
}

struct Rewrite {
    chars: Vec<char>,
    at: usize,
    out: String,
}

impl Rewrite {
    fn run(&mut self) -> Result<(), String> {
        let mut repeated = false;
        while let Some(c) = self.peek(0) {
            let is_repeat = match c {
                '*' | '+' | '?' => true,
                '{' => self.braces().is_some(),
                _ => false,
            };
            if is_repeat && repeated {
                return Err("one repetition operator follows another".to_owned());
            }
            match c {
                _ if is_repeat => self.repeat()?,
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' if self.peek(1) == Some('?') => self.flags()?,
                '{' | '}' | ']' => {
                    self.at += 1;
                    self.literal(c);
                }
                _ => {
                    self.at += 1;
                    self.out.push(c);
                }
            }
            repeated = is_repeat;
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    /// The characters of `{n}`, `{n,}` or `{n,m}` here, and its bounds; `None` if the brace is only a brace.
    fn braces(&self) -> Option<(usize, Vec<Option<u32>>)> {
        let len = self.chars[self.at..].iter().position(|&c| c == '}')? + 1;
        let inner: String = self.chars[self.at + 1..self.at + len - 1].iter().collect();
        let parts: Vec<&str> = inner.split(',').collect();
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let valid =
            parts.len() <= 2 && digits(parts[0]) && parts[1..].iter().all(|part| part.is_empty() || digits(part));
        valid.then(|| (len, parts.iter().map(|part| part.parse().ok()).collect()))
    }

    fn repeat(&mut self) -> Result<(), String> {
        let len = match self.braces() {
            Some((len, bounds)) if self.peek(0) == Some('{') => {
                let too_much = || format!("a repetition is at most {REPEAT_MAX}");
                let numbers: Vec<u32> = bounds.iter().flatten().copied().collect();
                if bounds[0].is_none() || numbers.iter().any(|n| *n > REPEAT_MAX) {
                    return Err(too_much());
                }
                if let [low, high] = numbers[..]
                    && low > high
                {
                    return Err("a repetition runs backwards".to_owned());
                }
                len
            }
            _ => 1,
        };
        self.out.extend(&self.chars[self.at..self.at + len]);
        self.at += len;
        if self.peek(0) == Some('?') {
            self.out.push('?');
            self.at += 1;
        }
        Ok(())
    }

    /// `(?flags)`, `(?flags:…)`, `(?P<name>…)`: the same in both syntaxes, but for flags that RE2 does not have.
    fn flags(&mut self) -> Result<(), String> {
        let mut at = self.at + 2;
        let named = self.chars[at..].starts_with(&['P', '<']) || self.chars[at..].starts_with(&['<']);
        while !named && self.chars.get(at).is_some_and(|c| "imsU-".contains(*c)) {
            at += 1;
        }
        if !named && !matches!(self.chars.get(at), Some(':' | ')')) {
            return Err("what follows `(?` is not known".to_owned());
        }
        self.out.extend(&self.chars[self.at..at]);
        self.at = at;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.peek(1) else { return Err("a `\\` ends it".to_owned()) };
        match c {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                let negated = if c.is_ascii_uppercase() { "^" } else { "" };
                let class = format!("[{negated}{}]", perl(c));
                self.at += 2;
                self.out.push_str(&class);
            }
            'A' | 'z' => {
                self.at += 2;
                self.out.extend(['\\', c]);
            }
            'b' | 'B' => {
                self.at += 2;
                self.out.push_str(if c == 'b' { r"(?-u:\b)" } else { r"(?-u:\B)" });
            }
            'p' | 'P' => {
                let class = self.unicode()?;
                self.out.push_str(&class);
            }
            'Q' => {
                self.at += 2;
                while let Some(c) = self.peek(0) {
                    if c == '\\' && self.peek(1) == Some('E') {
                        self.at += 2;
                        break;
                    }
                    self.at += 1;
                    self.literal(c);
                }
            }
            _ => {
                let c = self.character()?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// `\pL` or `\p{Name}`.
    fn unicode(&mut self) -> Result<String, String> {
        let negated = self.peek(1) == Some('P');
        let (name, len): (String, usize) = match self.peek(2) {
            Some('{') => {
                let close = self.chars[self.at..].iter().position(|&c| c == '}');
                let close = close.ok_or("a class of characters is not closed")?;
                (self.chars[self.at + 3..self.at + close].iter().collect(), close + 1)
            }
            Some(c) => (c.to_string(), 3),
            None => return Err("a class of characters has no name".to_owned()),
        };
        self.at += len;
        let (negated, name) = name.strip_prefix('^').map_or((negated, name.as_str()), |name| (!negated, name));
        Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    /// The character that an escape stands for.
    fn character(&mut self) -> Result<char, String> {
        let bad = |c: char| format!("`\\{c}` has no meaning");
        let c = self.peek(1).ok_or("a `\\` ends it")?;
        self.at += 2;
        Ok(match c {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => return self.hex().ok_or_else(|| bad(c)),
            '0'..='7' => {
                if c != '0' && !self.peek(0).is_some_and(|c| ('0'..='7').contains(&c)) {
                    return Err(bad(c)); // it would refer back to a group
                }
                let mut code = c as u32 - '0' as u32;
                for _ in 0..2 {
                    let Some(digit) = self.peek(0).and_then(|c| c.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    self.at += 1;
                }
                char::from_u32(code).ok_or_else(|| bad(c))?
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            c => return Err(bad(c)),
        })
    }

    fn hex(&mut self) -> Option<char> {
        let digits: String = if self.peek(0) == Some('{') {
            let close = self.chars[self.at..].iter().position(|&c| c == '}')?;
            let digits = self.chars[self.at + 1..self.at + close].iter().collect();
            self.at += close + 1;
            digits
        } else {
            let digits = self.chars.get(self.at..self.at + 2)?.iter().collect();
            self.at += 2;
            digits
        };
        let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        char::from_u32(u32::from_str_radix(&digits, 16).ok().filter(|_| valid)?)
    }

    fn class(&mut self) -> Result<(), String> {
        self.at += 1;
        self.out.push('[');
        if self.peek(0) == Some('^') {
            self.at += 1;
            self.out.push('^');
        }
        let first = self.at;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Err("a `[` is never closed".to_owned()),
                (Some(']'), _) if self.at > first => break,
                (Some('['), Some(':')) if self.posix()? => {}
                (Some('\\'), Some('p' | 'P')) => {
                    let class = self.unicode()?;
                    self.out.push_str(&class);
                }
                (Some('\\'), Some(c @ ('d' | 's' | 'w'))) => {
                    self.at += 2;
                    self.out.push_str(perl(c));
                }
                (Some('\\'), Some(c @ ('D' | 'S' | 'W'))) => {
                    self.at += 2;
                    self.out.push_str(&format!("[^{}]", perl(c)));
                }
                _ => self.range()?,
            }
        }
        self.at += 1;
        self.out.push(']');
        Ok(())
    }

    /// A class like `[:alpha:]`. `false` if there is none here.
    fn posix(&mut self) -> Result<bool, String> {
        let rest = &self.chars[self.at + 2..];
        let Some(close) = rest.windows(2).position(|pair| pair == [':', ']']) else { return Ok(false) };
        let name: String = rest[..close].iter().collect();
        if !POSIX.contains(&name.trim_start_matches('^')) {
            return Err(format!("there is no class `[:{name}:]`"));
        }
        self.out.push_str(&format!("[:{name}:]"));
        self.at += close + 4;
        Ok(true)
    }

    fn range(&mut self) -> Result<(), String> {
        let low = self.member()?;
        let high = match (self.peek(0), self.peek(1)) {
            (Some('-'), Some(next)) if next != ']' => {
                self.at += 1;
                self.member()?
            }
            _ => low,
        };
        if low > high {
            return Err(format!("the range `{low}-{high}` runs backwards"));
        }
        self.out.push_str(&format!(r"\x{{{:x}}}-\x{{{:x}}}", u32::from(low), u32::from(high)));
        Ok(())
    }

    fn member(&mut self) -> Result<char, String> {
        match self.peek(0) {
            Some('\\') => self.character(),
            Some(c) => {
                self.at += 1;
                Ok(c)
            }
            None => Err("a `[` is never closed".to_owned()),
        }
    }
}

/// What a class of Perl's holds in RE2.
fn perl(name: char) -> &'static str {
    match name.to_ascii_lowercase() {
        'd' => "0-9",
        's' => r"\t\n\x0C\r ",
        _ => "0-9A-Za-z_",
    }
}

/// The classes that may stand between `[:` and `:]`.
pub(super) const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];
/// As in RE2.
const REPEAT_MAX: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_re2_does() {
        for (expression, yes, no) in [
            (r"^\d+$", "12", "x"),
            (r"^\w$", "a", "é"),
            (r"^[\d\S]$", "a", " "),
            (r"^[[a]]$", "[]", "a"),
            (r"^[a&&b]$", "&", "c"),
            (r"^[^]a]$", "b", "]"),
            (r"^[a-]$", "-", "b"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^a{2}$", "aa", "a"),
            (r"^\Qa.b\E.$", "a.bx", "axbx"),
            (r"^\<\ \>$", "< >", "x"),
            (r"^\x41\101\x{e9}$", "AAé", "AA"),
            (r"^[[:alpha:]\pN]$", "7", "é"),
            (r"^(?i)ab$", "AB", "x"),
            (r"^\p{^Lu}$", "a", "A"),
            (r"\bab\b", "x ab", "xab"),
            ("^.$", "é", "\n"),
        ] {
            let regex = regex::Regex::new(&to_regex(expression).unwrap()).unwrap();
            assert!(regex.is_match(yes) && !regex.is_match(no), "{expression}");
        }
        for bad in ["a**", "a{2}{3}", r"\8", r"\1", r"\y", "[z-a]", "[a", "[[:alfa:]]", "a{1001}", "(?x)a", r"a\"] {
            assert!(to_regex(bad).is_err(), "{bad}");
        }
    }
}
