SELECT uid, title, content, similarity
FROM skuscribe.nearest_to(%(catalogue)s, %(vector)s, %(k)s, %(splits)s, %(cluster)s, %(uid)s);
