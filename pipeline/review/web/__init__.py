"""The review's server: pages, a JSON API, pictures and a queue, over finished slides and a record.

`ReviewApp` holds everything that requests share; `access` decides which requests are let in; `app`
has the routes. What a slide's cells are is decided by the record and by pure functions in
`serializers`.
"""
