use super::*;

const COLUMNS: [Column; 2] = [("number", "编号"), ("name", "名称")];

/// The rows of a file of two columns, and its faults.
fn rows(file: impl AsRef<[u8]>) -> (Vec<(usize, String, String)>, Vec<String>) {
    let table = read(file.as_ref(), &COLUMNS).map_err(|faults| faults[0].to_string()).unwrap();
    let cells = |row: &Row| (row.line, row.cell("number").to_owned(), row.cell("name").to_owned());
    let faults = table.faults.iter().map(ToString::to_string);
    (table.rows.iter().map(cells).collect(), faults.collect())
}

fn whole(file: impl AsRef<[u8]>) -> Vec<String> {
    let faults = read(file.as_ref(), &COLUMNS).err().unwrap();
    faults.iter().map(ToString::to_string).collect()
}

fn row(line: usize, number: &str, name: &str) -> (usize, String, String) {
    (line, number.into(), name.into())
}

#[test]
fn r_merch_1_a_file_is_read_as_spreadsheets_write_it() {
    let good = vec![row(2, "1", "甲"), row(3, "2", "乙, 丙")];
    for file in [
        "number,name\n1,甲\n2,\"乙, 丙\"\n",
        "\u{feff}编号,名称\r\n1,甲\r\n2,\"乙, 丙\"\r\n",
        "\u{feff}NUMBER, 名称 \n 1 ,\u{3000}甲\n2,\"乙, 丙\"",
        "number,name\r1,甲\r2,\"乙, 丙\"",
    ] {
        assert_eq!(rows(file).0.iter().map(|it| &it.2).collect::<Vec<_>>(), ["甲", "乙, 丙"]);
        if file.contains('\n') {
            assert_eq!(rows(file), (good.clone(), vec![]), "{file:?}");
        }
    }
    let swapped = "name,number\n甲,1\n\"乙, 丙\",2\n";
    assert_eq!(rows(swapped).0, good, "columns come in any order");
}

#[test]
fn r_merch_1_a_line_has_the_number_that_an_editor_shows() {
    for end in ["\n", "\r\n"] {
        let file =
            ["", "number,name", "", "1,a", ",", "", "2,\"b", "b\"", "3,c", "", "4", "5,e", ""];
        let (rows, faults) = rows(file.join(end));
        let lines: Vec<_> = rows.iter().map(|(line, number, _)| (*line, number.as_str())).collect();
        assert_eq!(lines, [(4, "1"), (7, "2"), (9, "3"), (12, "5")], "{end:?}");
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("line 11: `4`: 1 cells where there are 2 columns; "));
    }
}

#[test]
fn r_merch_1_another_encoding_is_named_with_what_to_do() {
    let save = "save it as CSV UTF-8 (in WPS or Excel: Save As, CSV UTF-8)";
    // 商户, 䶮 in four bytes, in GB18030.
    let gb = b"number,name\n1,\xc9\xcc\xbb\xa7\n2,\x82\x35\x87\x38\n";
    assert_eq!(whole(gb), [format!("line 2: ``: the file is GB18030 (GBK), not UTF-8; {save}")]);
    let torn = b"number,name\n1,a\n2,\xff\xff";
    assert_eq!(whole(torn), [format!("line 3: ``: the file is something else, not UTF-8; {save}")]);
    for utf16 in [b"\xff\xfen\0".as_slice(), b"\xfe\xff\0n"] {
        assert_eq!(whole(utf16), [format!("line 1: ``: the file is UTF-16, not UTF-8; {save}")]);
    }
    assert!(whole(vec![b' '; MOST_BYTES + 1])[0].contains("too large"));
}

#[test]
fn r_merch_1_what_can_not_be_read_as_a_table_is_refused_as_a_whole() {
    for file in ["", "\n\n", "\u{feff}"] {
        assert_eq!(
            whole(file),
            ["line 1: ``: the file is empty; name the columns in its first line"]
        );
    }
    let open = whole("number,name\n1,a\n2,\"b\n3,c\n");
    assert_eq!(open.len(), 1);
    assert!(open[0].starts_with("line 3: `2,\"b"), "{open:?}");
    assert!(open[0].contains("a quotation mark is not closed"), "{open:?}");
    let named = whole("number,name,number,phone\n");
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(named[0].contains("number: `number`: the column is there twice"), "{named:?}");
    assert!(
        named[1].contains("`phone`: no such column; remove it, or name it as one of number (编号)")
    );
    let semicolons = whole("number;name\n1;a\n");
    assert_eq!(semicolons.len(), 3, "{semicolons:?}");
    assert!(semicolons[2].contains("the column name (名称) is missing"), "{semicolons:?}");
}

#[test]
fn r_merch_1_of_what_is_there_twice_no_row_is_taken_and_each_names_the_other() {
    let key: Unique = ("number", |cell| plain_number::<u32>(cell).map(|it| it.to_string()));
    let table = read("number,name\n1,a\n07,b\n7,c\n8,d\nx,e\nx,f\n".as_bytes(), &COLUMNS).unwrap();
    let (taken, faults) = each(table, &[key], |row| row.get("name", some_words(9)));
    assert_eq!(taken, ["a", "d", "e", "f"]);
    let told: Vec<_> = faults.iter().map(|it| (it.line, it.wrong.as_str())).collect();
    assert_eq!(told, [(3, "line 4 has it too"), (4, "line 3 has it too")]);
}

#[test]
fn r_merch_1_a_cell_is_what_its_column_says() {
    let told = |it: Result<String, Wrong>| it.map_err(|wrong| wrong.wrong);
    assert_eq!(told(words(2)("甲乙")), Ok("甲乙".into()));
    assert_eq!(told(words(2)("")), Ok(String::new()));
    assert_eq!(told(words(2)("甲乙丙")), Err("3 characters, 2 at most".into()));
    assert!(told(words(9)("a\nb")).is_err() && told(words(9)("a\u{0}b")).is_err());
    assert_eq!(told(some_words(2)("")), Err("it is empty".into()));
    for (cell, is) in [("1", Some(1)), ("007", Some(7)), ("4294967295", Some(u32::MAX))] {
        assert_eq!(number::<u32>(cell).ok(), is, "{cell}");
    }
    for cell in ["", "0", "-1", "+1", "1.0", "1,000", "4294967296", "１", " 1"] {
        assert!(number::<u32>(cell).is_err(), "{cell}");
    }
    assert_eq!(["yes", "Y", "1", "是", "有"].map(|it| yes(it).ok()), [Some(true); 5]);
    assert_eq!(["No", "n", "0", "否", "无"].map(|it| yes(it).ok()), [Some(false); 5]);
    assert!(yes("").is_err() && yes("maybe").is_err());
}
