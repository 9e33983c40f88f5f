DELETE FROM skuscribe.description WHERE batch = %(batch)s AND uid <> ALL (%(kept)s);
