SELECT dimensions, encoder FROM skuscribe.catalogue WHERE catalogue = %(catalogue)s AND generation > 0;
