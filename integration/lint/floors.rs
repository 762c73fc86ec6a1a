//! The house rules that the compiler does not know (docs/architecture.md): a file imports only from its own
//! folder or a lower floor, `unsafe` stays in src/linux, and files do not import each other in a ring.
//!
//! A program of its own, so that it needs nothing built: `rustc integration/lint/floors.rs && ./floors src`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Folders from the ground up; those on one line do not know each other.
const FLOORS: [&[&str]; 7] =
    [&["linux", "report"], &["bundle"], &["plan", "cgroup", "criu"], &["stage"], &["container"], &["cli"], &["fuzzing", "lib", "main"]];

fn main() -> ExitCode {
    let root = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "src".into()));
    let mut files = BTreeMap::new();
    if let Err(error) = read_tree(&root, &root, &mut files) {
        eprintln!("{}: {error}", root.display());
        return ExitCode::FAILURE;
    }
    let mut faults = Vec::new();
    let mut unsafe_blocks = 0;
    let mut imports: BTreeMap<&PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for (path, text) in &files {
        let code = code_of(text);
        faults.extend(wrong_floors(path, &code));
        faults.extend(stray_unsafe(path, &code));
        let is_of_tests = path.to_string_lossy().contains("test");
        unsafe_blocks += code.iter().filter(|_| !is_of_tests).map(|line| line.matches("unsafe {").count()).sum::<usize>();
        if path.file_name().is_some_and(|name| name != "mod.rs" && name != "lib.rs") {
            imports.insert(path, imported_files(path, &code, &files));
        }
    }
    faults.extend(rings(&imports));
    for fault in &faults {
        eprintln!("{fault}");
    }
    match faults.is_empty() {
        true => {
            println!("{unsafe_blocks} unsafe blocks, all in linux");
            ExitCode::SUCCESS
        }
        false => ExitCode::FAILURE,
    }
}

fn read_tree(root: &Path, place: &Path, files: &mut BTreeMap<PathBuf, String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(place)? {
        let path = entry?.path();
        if path.is_dir() {
            read_tree(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            files.insert(relative, std::fs::read_to_string(path)?);
        }
    }
    Ok(())
}

/// The code alone, line by line: comments and the contents of strings left out, and all after the tests begin.
fn code_of(text: &str) -> Vec<String> {
    let tests = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..tests].lines().map(without_comments_and_strings).collect()
}

fn without_comments_and_strings(line: &str) -> String {
    let mut code = String::new();
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => drop(letters.next()),
            '"' => quoted = !quoted,
            '/' if !quoted && letters.peek() == Some(&'/') => break,
            _ if !quoted => code.push(letter),
            _ => {}
        }
    }
    code
}

fn folder_of(path: &Path) -> String {
    let first = path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    first.unwrap_or_default().trim_end_matches(".rs").to_string()
}

fn floor_of(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

/// Every `crate::a::b` of a line, as words; a group `crate::{a::x, b::y}` gives one for each.
fn crate_paths(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let members = match rest.strip_prefix('{') {
            Some(group) => group.split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        for member in members {
            let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let path: String = member.chars().take_while(|c| is_path(*c)).collect();
            let words: Vec<String> = path.split("::").filter(|word| !word.is_empty()).map(str::to_string).collect();
            if !words.is_empty() {
                paths.push(words);
            }
        }
    }
    paths
}

fn wrong_floors(path: &Path, code: &[String]) -> Vec<String> {
    let own = folder_of(path);
    let Some(floor) = floor_of(&own) else {
        return vec![format!("{}: {own} stands on no floor: give it one in this check", path.display())];
    };
    let mut faults = Vec::new();
    for (number, line) in code.iter().enumerate() {
        for target in crate_paths(line).into_iter().filter_map(|words| words.into_iter().next()) {
            let Some(below) = floor_of(&target) else { continue };
            if target != own && below >= floor {
                let place = format!("{}:{}", path.display(), number + 1);
                faults.push(format!("{place}: {own} must not import {target}, which is not on a lower floor"));
            }
        }
    }
    faults
}

fn stray_unsafe(path: &Path, code: &[String]) -> Vec<String> {
    if folder_of(path) == "linux" {
        return Vec::new();
    }
    let is_unsafe = |line: &String| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    let found = code.iter().enumerate().filter(|(_, line)| is_unsafe(line));
    found.map(|(number, _)| format!("{}:{}: unsafe belongs in src/linux", path.display(), number + 1)).collect()
}

/// Files of the crate that a file imports from by name.
fn imported_files(path: &Path, code: &[String], files: &BTreeMap<PathBuf, String>) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let parent: Vec<String> =
        path.parent().into_iter().flat_map(Path::components).map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    for line in code {
        let mut paths = crate_paths(line);
        for (at, _) in line.match_indices("super::").filter(|(at, _)| !line[..*at].ends_with("super::")) {
            let rest = &line[at..];
            let words: Vec<&str> = rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap_or("").split("::").collect();
            let ups = words.iter().take_while(|word| **word == "super").count();
            // `super` of a file is its folder; each further one is the folder above.
            if ups >= 1 && ups <= parent.len() + 1 {
                let mut base = parent[..parent.len() + 1 - ups].to_vec();
                base.extend(words[ups..].iter().map(|word| word.to_string()));
                paths.push(base);
            }
        }
        for words in paths {
            for length in (1..=words.len()).rev() {
                let candidate = PathBuf::from(words[..length].join("/")).with_extension("rs");
                if files.contains_key(&candidate) && candidate != path {
                    found.insert(candidate);
                    break;
                }
            }
        }
    }
    found
}

/// Rings of imports, each named once by its first file.
fn rings(imports: &BTreeMap<&PathBuf, BTreeSet<PathBuf>>) -> Vec<String> {
    let reaches = |from: &PathBuf| -> BTreeSet<PathBuf> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(file) = next.pop() {
            for target in imports.get(&file).into_iter().flatten() {
                if seen.insert(target.clone()) {
                    next.push(target.clone());
                }
            }
        }
        seen
    };
    let mut told: BTreeSet<PathBuf> = BTreeSet::new();
    let mut faults = Vec::new();
    for file in imports.keys() {
        let reached = reaches(file);
        if !reached.contains(*file) || told.contains(*file) {
            continue;
        }
        let ring: Vec<PathBuf> = reached.into_iter().filter(|other| reaches(other).contains(*file)).collect();
        let names: Vec<String> = ring.iter().map(|path| path.display().to_string()).collect();
        faults.push(format!("these files import each other: {}", names.join(", ")));
        told.extend(ring);
    }
    faults
}
