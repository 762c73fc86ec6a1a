use super::*;

fn pairs(options: &[FsOption]) -> Vec<String> {
    let text = |option: &FsOption| match &option.value {
        Some(value) => format!("{} -> {value}", option.key),
        None => option.key.clone(),
    };
    options.iter().map(text).collect()
}

#[test]
fn the_table_is_sorted_and_says_each_name_once() {
    assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(TABLE.iter().all(|(name, expected)| meaning(name) == Some(*expected)));
}

#[test]
fn runcs_sixty_options_and_three_of_cruns_are_listed() {
    let runc = "async atime bind copy-symlink defaults dest-nofollow dev diratime dirsync exec iversion lazytime loud mand noatime nodev \
                nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private \
                ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime \
                rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid \
                rsymfollow runbindable rw shared silent slave src-nofollow strictatime suid symfollow sync tmpcopyup unbindable";
    assert_eq!(names(), runc.split_whitespace().collect::<Vec<_>>());
    assert_eq!(names().len(), 63);
}

#[test]
fn every_option_is_taken_back_by_its_opposite() {
    let opposites = [
        ("ro", "rw"),
        ("nosuid", "suid"),
        ("nodev", "dev"),
        ("noexec", "exec"),
        ("nodiratime", "diratime"),
        ("nosymfollow", "symfollow"),
    ];
    for (set, clear) in opposites {
        let (first, last) = (parse(&[set, clear]), parse(&[clear, set]));
        assert!(first.set.is_empty() && !first.clear.is_empty(), "{set}");
        assert!(!last.set.is_empty() && last.clear.is_empty(), "{set}");
        let (first, last) = (
            parse(&[format!("r{set}"), format!("r{clear}")]),
            parse(&[format!("r{clear}"), format!("r{set}")]),
        );
        assert!(first.recursive.set.is_empty() && !first.recursive.clear.is_empty(), "r{set}");
        assert!(!last.recursive.set.is_empty() && last.recursive.clear.is_empty(), "r{set}");
    }
    for (set, clear) in [("sync", "async"), ("lazytime", "nolazytime"), ("mand", "nomand")] {
        assert_eq!(parse(&[set, clear]).superblock, [clear]);
        assert_eq!(parse(&[clear, set, set]).superblock, [set]);
    }
}

#[test]
fn access_times_are_one_choice() {
    let cases: [(&[&str], Option<self::Atime>); 9] = [
        (&[], None),
        (&["noatime"], Some(self::Atime::Noatime)),
        (&["noatime", "strictatime"], Some(self::Atime::Strictatime)),
        (&["strictatime", "nostrictatime"], None),
        (&["noatime", "nostrictatime"], Some(self::Atime::Noatime)),
        (&["relatime", "norelatime"], None),
        (&["noatime", "atime"], Some(self::Atime::Relatime)),
        (&["rnoatime"], None),
        (&["nodiratime"], None),
    ];
    for (options, expected) in cases {
        assert_eq!(parse(options).atime, expected, "{options:?}");
    }
    assert_eq!(parse(&["rnoatime", "ratime"]).recursive.atime, Some(self::Atime::Relatime));
    assert_eq!(parse(&["rstrictatime"]).recursive.atime, Some(self::Atime::Strictatime));
}

#[test]
fn what_is_not_in_the_table_is_data() {
    let cases: [(&str, &[&str]); 9] = [
        ("size=64k", &["size -> 64k"]),
        ("newinstance", &["newinstance"]),
        ("mode=755,size=64k", &["mode -> 755", "size -> 64k"]),
        (",,uid=1,", &["uid -> 1"]),
        ("", &[]),
        ("x=a=b", &["x -> a=b"]),
        ("context=\"a:b:s0:c1,c2\",uid=1", &["context -> a:b:s0:c1,c2", "uid -> 1"]),
        ("lowerdir=/a\\,b:/c,index=on", &["lowerdir -> /a\\,b:/c", "index -> on"]),
        ("RO", &["RO"]),
    ];
    for (word, expected) in cases {
        assert_eq!(pairs(&parse(&[word]).data), expected, "{word}");
    }
}

#[test]
fn defaults_and_propagation_are_not_flags_that_reset_a_bind() {
    assert!(!parse(&["rbind", "defaults", "rslave", "rro", "remount"]).names_flags);
    for option in ["ro", "rw", "sync", "noatime", "nostrictatime", "loud", "noiversion"] {
        assert!(parse(&["bind", option]).names_flags, "{option}");
    }
}

#[test]
fn a_bind_is_recursive_if_any_option_says_so() {
    assert_eq!(parse(&["bind"]).bind, Some(false));
    assert_eq!(parse(&["rbind", "bind"]).bind, Some(true));
    assert_eq!(parse(&["ro"]).bind, None);
}
