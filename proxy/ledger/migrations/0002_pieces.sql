-- A body of codec 'pieces' has its bytes here: elements of its lists, each stored once however often it is sent.
CREATE TABLE pieces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    codec TEXT NOT NULL,
    data BLOB NOT NULL
);

-- A piece in its place: behind the piece of `parent` (none: the first of its list), `glue` between the two. Numbers are
-- never given twice, and no node goes before its children: who has seen a node and finds it again knows its whole path.
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    parent INTEGER REFERENCES nodes,
    piece INTEGER NOT NULL REFERENCES pieces,
    glue BLOB NOT NULL,
    UNIQUE (parent, piece, glue)
);
CREATE INDEX nodes_piece ON nodes (piece);

-- The last node of each list of a body. Position 0 is what stands around the lists; its glue says where that is cut.
CREATE TABLE body_nodes (
    body INTEGER NOT NULL REFERENCES bodies ON DELETE CASCADE,
    "position" INTEGER NOT NULL,
    node INTEGER NOT NULL REFERENCES nodes,
    PRIMARY KEY (body, "position")
) WITHOUT ROWID;
CREATE INDEX body_nodes_node ON body_nodes (node);

-- Nodes that may be of no use any more: looked at and removed in small steps.
CREATE TABLE loose (node INTEGER NOT NULL PRIMARY KEY REFERENCES nodes ON DELETE CASCADE);
CREATE TRIGGER body_nodes_deleted AFTER DELETE ON body_nodes BEGIN
    INSERT OR IGNORE INTO loose (node) VALUES (OLD.node);
END;
CREATE TRIGGER nodes_deleted AFTER DELETE ON nodes WHEN OLD.parent IS NOT NULL BEGIN
    INSERT OR IGNORE INTO loose (node) VALUES (OLD.parent);
END;

-- The hop that has the same bytes, in the same row; as a row of its own (`same_as`) where the two came apart.
ALTER TABLE exchange_bodies ADD COLUMN also TEXT;

-- From here on `headers.hops` holds compressed bytes; rows written before hold the JSON itself.
