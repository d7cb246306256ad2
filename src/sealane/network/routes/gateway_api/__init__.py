"""The Gateway API as a front end of the routing model. This room imports no other front end."""
