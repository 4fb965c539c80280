//! One pattern: rclone's globs, parsed into tokens and compiled to regular expressions.
//!
//! Deliberate differences from rclone, whose own reading is in [`super::glob`]: `[!x]` negates like `[^x]` (rclone takes
//! the `!` literally), `dir/` means `dir/**` in includes too (rclone then matches no file at all), and a letter that is
//! escaped is an error outside `{{ }}`.

use regex::Regex;

use super::re2::{self, POSIX};

/// A pattern that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}bad pattern `{pattern}`, at character {at}: {what}; {fix}", place_of(.place))]
pub struct BadPattern {
    /// Where it was given: a flag, or a file and a line. Empty if the caller knows.
    pub place: String,
    /// The pattern as it was given.
    pub pattern: String,
    /// Which character, counted from 1.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

fn place_of(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

impl BadPattern {
    pub(super) fn new(pattern: &str, at: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { place: String::new(), pattern: pattern.to_owned(), at, what: what.into(), fix: fix.into() }
    }

    /// The same, and where it was given.
    pub(super) fn given_in(self, place: &str) -> Self {
        Self { place: place.to_owned(), ..self }
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    whole: Regex,
    reach: Reach,
    below: Below,
}

impl Pattern {
    pub(super) fn parse(glob: &str, ignore_case: bool) -> Result<Self, BadPattern> {
        let (anchored, body) = match glob.strip_prefix('/') {
            Some(body) => (true, body),
            None => (false, glob),
        };
        let chars = body.chars().collect();
        let mut parser = Parser { glob, chars, at: 0, skipped: usize::from(anchored), ignore_case };
        let mut tokens = parser.sequence(0)?;
        if tokens.is_empty() {
            return Err(parser.bad(0, "it is empty", "write `**` to match everything".to_owned()));
        }
        if let Some(Token::Slash) = tokens.last() {
            tokens.push(Token::Deep);
        }
        let start = if anchored { r"\A" } else { r"(?:\A|/)" };
        let whole = parser.compile(&format!("{start}{}", regex_of(&tokens)))?;
        Ok(Self { whole, reach: Reach::of(anchored, &tokens), below: Below::of(anchored, &tokens, &parser)? })
    }

    /// The regular expression that paths are held against.
    pub(super) fn expression(&self) -> &str {
        self.whole.as_str()
    }

    /// Whether the path of a file matches.
    pub(super) fn matches(&self, path: &str) -> bool {
        self.whole.is_match(path)
    }

    /// Whether every path below `dir` matches. May say no where the answer is yes.
    pub(super) fn covers(&self, dir: &str) -> bool {
        match self.reach {
            Reach::All => true,
            Reach::Tail => !dir.is_empty() && self.whole.is_match(&format!("{dir}/")),
            Reach::Unknown => false,
        }
    }

    /// Whether some path below `dir` could match. May say yes where the answer is no.
    pub(super) fn may_match_below(&self, dir: &str) -> bool {
        let Below::Dirs { names, open } = &self.below else { return true };
        let parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
        (*open || parts.len() <= names.len()) && names.iter().zip(&parts).all(|(name, part)| name.is_match(part))
    }
}

/// What a match of a directory says of the paths below it.
#[derive(Debug)]
enum Reach {
    /// Everything matches anyway: `*` or `**`.
    All,
    /// The pattern ends in `**`: if it matches `dir/`, it matches whatever follows.
    Tail,
    /// Nothing.
    Unknown,
}

impl Reach {
    fn of(anchored: bool, tokens: &[Token]) -> Self {
        match tokens {
            [Token::Deep] => Self::All,
            [Token::Star] if !anchored => Self::All,
            [.., Token::Deep] if !tokens.iter().any(Token::has_regex) => Self::Tail,
            _ => Self::Unknown,
        }
    }
}

/// In which directories a match can be.
#[derive(Debug)]
enum Below {
    Anywhere,
    /// Beneath directories of these names in turn; deeper than that only if `open`.
    Dirs {
        names: Vec<Regex>,
        open: bool,
    },
}

impl Below {
    fn of(anchored: bool, tokens: &[Token], parser: &Parser<'_>) -> Result<Self, BadPattern> {
        if !anchored || tokens.iter().any(Token::has_regex) {
            return Ok(Self::Anywhere);
        }
        let parts: Vec<&[Token]> = tokens.split(|token| matches!(token, Token::Slash)).collect();
        let simple = parts.iter().take_while(|part| !part.iter().any(Token::crosses_slash)).count();
        let names = &parts[..simple.min(parts.len() - 1)];
        let names =
            names.iter().map(|part| parser.compile(&format!(r"\A{}", regex_of(part)))).collect::<Result<_, _>>()?;
        Ok(Self::Dirs { names, open: simple < parts.len() })
    }
}

enum Token {
    Char(char),
    Slash,
    /// `?`
    One,
    /// `*`
    Star,
    /// `**`
    Deep,
    /// `[…]`, as a class of the regular expression syntax.
    Class(String),
    /// `{…,…}`
    Either(Vec<Vec<Token>>),
    /// `{{…}}`
    Regex(String),
}

impl Token {
    fn has_regex(&self) -> bool {
        match self {
            Self::Regex(_) => true,
            Self::Either(arms) => arms.iter().flatten().any(Self::has_regex),
            _ => false,
        }
    }

    fn crosses_slash(&self) -> bool {
        match self {
            Self::Deep | Self::Slash | Self::Regex(_) => true,
            Self::Either(arms) => arms.iter().flatten().any(Self::crosses_slash),
            _ => false,
        }
    }
}

fn regex_of(tokens: &[Token]) -> String {
    tokens
        .iter()
        .map(|token| match token {
            Token::Char(c) => regex::escape(c.encode_utf8(&mut [0; 4])),
            Token::Slash => "/".to_owned(),
            Token::One => "[^/]".to_owned(),
            Token::Star => "[^/]*".to_owned(),
            Token::Deep => ".*".to_owned(),
            Token::Class(class) => class.clone(),
            Token::Either(arms) => {
                format!("(?:{})", arms.iter().map(|arm| regex_of(arm)).collect::<Vec<_>>().join("|"))
            }
            Token::Regex(regex) => format!("(?:{regex})"),
        })
        .collect()
}

struct Parser<'a> {
    glob: &'a str,
    chars: Vec<char>,
    at: usize,
    /// Characters of `glob` before `chars`.
    skipped: usize,
    ignore_case: bool,
}

impl Parser<'_> {
    /// Tokens up to the end, or within braces (`depth` > 0) up to the `,` or `}` that ends this arm.
    fn sequence(&mut self, depth: usize) -> Result<Vec<Token>, BadPattern> {
        let mut tokens = Vec::new();
        while let Some(c) = self.peek() {
            if depth > 0 && matches!(c, ',' | '}') {
                break;
            }
            let start = self.at;
            self.at += 1;
            tokens.push(match c {
                '/' => Token::Slash,
                '?' => Token::One,
                '*' => self.stars(start)?,
                '\\' => Token::Char(self.escaped(start)?),
                '[' => self.class(start)?,
                '{' if self.peek() == Some('{') => self.regex(start)?,
                '{' => self.either(start, depth)?,
                ']' | '}' => {
                    let fix = format!("write `\\{c}` if the character itself is meant");
                    return Err(self.bad(start, format!("this `{c}` closes nothing"), fix));
                }
                c => Token::Char(c),
            });
        }
        Ok(tokens)
    }

    fn stars(&mut self, start: usize) -> Result<Token, BadPattern> {
        while self.peek() == Some('*') {
            self.at += 1;
        }
        match self.at - start {
            1 => Ok(Token::Star),
            2 => Ok(Token::Deep),
            _ => Err(self.bad(
                start,
                "there are more than two stars in a row",
                "write `*` for a part of one name or `**` for any number of directories",
            )),
        }
    }

    fn escaped(&mut self, start: usize) -> Result<char, BadPattern> {
        match self.peek() {
            None => Err(self.bad(start, "nothing follows the backslash", r"write `\\` for a backslash")),
            Some(c) if c.is_ascii_alphanumeric() => {
                let fix = format!(r"write `{c}` for the letter itself or `{{{{\{c}}}}}` for the regular expression");
                Err(self.bad(start, format!(r"`\{c}` is not an escape of patterns"), fix))
            }
            Some(c) => {
                self.at += 1;
                Ok(c)
            }
        }
    }

    fn either(&mut self, start: usize, depth: usize) -> Result<Token, BadPattern> {
        if depth == DEPTH_MAX {
            return Err(self.bad(start, "braces are nested too deeply", "write several rules instead"));
        }
        let mut arms = vec![self.sequence(depth + 1)?];
        loop {
            self.at += 1;
            match self.chars.get(self.at - 1) {
                Some(',') => arms.push(self.sequence(depth + 1)?),
                Some(_) => return Ok(Token::Either(arms)),
                None => {
                    let fix = r"close it with `}`, or write `\{` if the character itself is meant";
                    return Err(self.bad(start, "this `{` is never closed", fix));
                }
            }
        }
    }

    fn regex(&mut self, start: usize) -> Result<Token, BadPattern> {
        let body = self.at + 1;
        let close = (body..self.chars.len()).find(|&i| self.chars[i..].starts_with(&['}', '}']));
        let Some(mut close) = close else {
            return Err(self.bad(start, "this `{{` is never closed", "close the regular expression with `}}`"));
        };
        while self.chars.get(close + 2) == Some(&'}') {
            close += 1; // the last two of a run of braces close it: `{{a{2}}}`
        }
        self.at = close + 2;
        let text: String = self.chars[body..close].iter().collect();
        let rewritten = re2::to_regex(&text).map_err(|what| format!("not a regular expression: {what}"));
        match rewritten.and_then(|text| Regex::new(&text).map(|_| text).map_err(|error| reason(&error))) {
            Ok(text) => Ok(Token::Regex(text)),
            Err(what) => Err(self.bad(start, what, "correct the regular expression between `{{` and `}}`")),
        }
    }

    /// `[abc]`, `[a-z]`, `[!…]` or `[^…]`, `[[:alpha:]]`. Negated, it does not match `/`.
    fn class(&mut self, start: usize) -> Result<Token, BadPattern> {
        let negated = matches!(self.peek(), Some('!' | '^'));
        self.at += usize::from(negated);
        let mut class = String::from(if negated { "[^/" } else { "[" });
        let first = self.at;
        loop {
            match self.peek() {
                None => {
                    let fix = r"close it with `]`, or write `\[` if the character itself is meant";
                    return Err(self.bad(start, "this `[` is never closed", fix));
                }
                Some(']') if self.at > first => break,
                Some('[') if self.chars.get(self.at + 1) == Some(&':') => class.push_str(&self.posix()?),
                Some(_) => {
                    let (from, low) = (self.at, self.member()?);
                    class.push_str(&low.1);
                    if self.peek() == Some('-') && !matches!(self.chars.get(self.at + 1), None | Some(']')) {
                        self.at += 1;
                        let high = self.member()?;
                        if low.0 > high.0 {
                            return Err(self.bad(from, "this range runs backwards", "swap its two ends"));
                        }
                        class.push('-');
                        class.push_str(&high.1);
                    }
                }
            }
        }
        self.at += 1;
        class.push(']');
        Ok(Token::Class(class))
    }

    /// One member of a class: the character and how a regular expression spells it.
    fn member(&mut self) -> Result<(char, String), BadPattern> {
        let start = self.at;
        self.at += 1;
        let c = match self.chars.get(start) {
            Some('\\') => self.escaped(start)?,
            Some(&c) => c,
            None => return Err(self.bad(start, "the class is never closed", "close it with `]`")),
        };
        Ok((c, format!(r"\x{{{:x}}}", u32::from(c))))
    }

    fn posix(&mut self) -> Result<String, BadPattern> {
        let start = self.at;
        let name: String = self.chars[start + 2..].iter().take_while(|c| c.is_ascii_alphabetic()).collect();
        let end = start + 2 + name.len();
        if POSIX.contains(&name.as_str()) && self.chars[end..].starts_with(&[':', ']']) {
            self.at = end + 2;
            return Ok(format!("[:{name}:]"));
        }
        let fix = format!("write one of {}, each between `[:` and `:]`", POSIX.join(", "));
        Err(self.bad(start, "this is not a class of characters", fix))
    }

    fn compile(&self, regex: &str) -> Result<Regex, BadPattern> {
        let flags = if self.ignore_case { "(?si)" } else { "(?s)" };
        let compiled = Regex::new(&format!(r"{flags}{regex}\z"));
        compiled.map_err(|error| self.bad(0, reason(&error), "write a simpler pattern"))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn bad(&self, at: usize, what: impl Into<String>, fix: impl Into<String>) -> BadPattern {
        BadPattern::new(self.glob, at + self.skipped + 1, what, fix)
    }
}

/// The last line of a regular expression error says it; the lines above only draw an arrow.
pub(super) fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    format!("not a regular expression: {}", line.trim_start_matches("error: "))
}

const DEPTH_MAX: usize = 16;
