# Pushes the jobs given as a JSON list on standard input, as an application without the job classes does.
require "sidekiq"
require "json"

puts JSON.generate(JSON.parse($stdin.read).map { |item| Sidekiq::Client.push(item) })
