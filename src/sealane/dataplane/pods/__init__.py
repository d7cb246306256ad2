"""A pod's life: namespaces, files, commands, stand-ins, probes, logs.

How a node agent process is put together (everything below runs in one event loop, after
`linux.privileges.become_private` and `linux.topology.create_outside` / `create_node` ran in a parent process):

    channel = spawner.start()                        # forks: before this process has any thread or event loop
    threads = {plan.name: NamespaceThread(...)}      # one for each node, in its namespace
    giver = Giver(handoff_path); await giver.start()
    runtime = PodRuntime(client, plans, threads, Sources(pods, services, configmaps, secrets), giver, Spawner(channel),
                         run_dir=..., log_dir=..., hide=[state folder])
    await informers.synced()
    await gather(runtime.run(), AgentSocket(runtime, agent_socket_path).run())

`standins.server.serve(control_path)` is the whole of the stand-ins process. `exec` is the caller's half of the agent
socket.

lifecycle, states, status, images, files, fields, environment and standins.{http,behaviours} are pure; shell,
container and runtime carry out what they decide.
"""
