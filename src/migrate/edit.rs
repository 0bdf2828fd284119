//! What steps do with keys. Must never lose a comment, nor the place that a key has among the others.

use toml_edit::{InlineTable, Item, Key, Table, Value};

/// Gives a key of a table another name, where it stands, with its comments. `false`, and nothing done, where there is no
/// such key, where the new name is taken, or where the item is no table.
pub fn rename(table: &mut Item, old: &str, new: &str) -> bool {
    let keys = table.as_table_like();
    if keys.is_none_or(|keys| !keys.contains_key(old) || keys.contains_key(new)) {
        return false;
    }
    match table {
        Item::Table(table) => rename_in_table(table, old, new),
        Item::Value(Value::InlineTable(table)) => rename_in_inline_table(table, old, new),
        Item::None | Item::Value(_) | Item::ArrayOfTables(_) => return false,
    }
    true
}

/// Takes out the key and all behind it, from the last one on, and puts them back: there is no other way to keep the order.
fn rename_in_table(table: &mut Table, old: &str, new: &str) {
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    let from = names.iter().position(|name| name == old).unwrap_or(names.len());
    let taken: Vec<(Key, Item)> = names[from..].iter().rev().filter_map(|name| table.remove_entry(name)).collect();
    for (key, item) in taken.into_iter().rev() {
        table.insert_formatted(&renamed(key, old, new), item);
    }
}

fn rename_in_inline_table(table: &mut InlineTable, old: &str, new: &str) {
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    let from = names.iter().position(|name| name == old).unwrap_or(names.len());
    let taken: Vec<(Key, Value)> = names[from..].iter().rev().filter_map(|name| table.remove_entry(name)).collect();
    for (key, value) in taken.into_iter().rev() {
        table.insert_formatted(&renamed(key, old, new), value);
    }
}

fn renamed(key: Key, old: &str, new: &str) -> Key {
    if key.get() != old {
        return key;
    }
    Key::new(new).with_leaf_decor(key.leaf_decor().clone()).with_dotted_decor(key.dotted_decor().clone())
}
