def test_posts_are_listed(client): assert client.get("/posts/").status_code == 200
